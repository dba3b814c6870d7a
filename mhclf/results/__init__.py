"""Result records, tables, figures, the HTML report and the model card of a run folder."""
