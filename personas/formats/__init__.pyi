from .columns import Extra
from .exporting import ExportFormat, ExportReport, export_hub
from .importing import FileReport, import_files
from .options import ImportWish

__all__ = [
    "ExportFormat",
    "ExportReport",
    "Extra",
    "FileReport",
    "ImportWish",
    "export_hub",
    "import_files",
]
