"""DICOM images: what a file says is checked before anything is decoded, and only its pixels come through."""
