"""The result of a run, and its forms: report.json, report.md, the table on the terminal."""
