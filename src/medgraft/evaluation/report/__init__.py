"""The report of an evaluation: one HTML file that explains itself and asks for nothing from outside."""

from medgraft.evaluation.report.page import write_report

__all__ = ["write_report"]
