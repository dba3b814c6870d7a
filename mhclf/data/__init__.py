"""From a YAML to token batches: reading, repair, spans, splits, audit."""
