from .exporting import ExportFormat, ExportReport, export_hub
from .importing import FileReport, import_files
from .options import ImportOptions
from .people import Extra

__all__ = [
    "ExportFormat",
    "ExportReport",
    "Extra",
    "FileReport",
    "ImportOptions",
    "export_hub",
    "import_files",
]
