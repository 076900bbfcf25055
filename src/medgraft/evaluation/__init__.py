"""The mathematics of an honest evaluation: metrics, uncertainty, calibration, operating points, selection, gate."""
