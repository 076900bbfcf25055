"""The report of an evaluation or a validation: one HTML file that explains itself and asks for nothing from outside."""

from medgraft.evaluation.report.page import write_report, write_validation_report

__all__ = ["write_report", "write_validation_report"]
