"""Labels and explanations from language models: prompts, backends, parsing, scoring, tuning."""
