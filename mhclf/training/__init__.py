"""One run from start to artefacts: plan, fit, folder, predictions, suites."""
