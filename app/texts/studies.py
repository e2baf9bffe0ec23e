"""The sidebar: patients, studies, series and uploads."""

from __future__ import annotations

from app.texts.said import Said

TEXTS: dict[str, Said] = {
    "panes": Said("Show", "Anzeigen"),
    "panes_one": Said("One", "Eine"),
    "panes_series": Said("Two series", "Zwei Serien"),
    "panes_windows": Said("Two windows", "Zwei Fenster"),
    "left": Said("Left", "Links"),
    "right": Said("Right", "Rechts"),
    "source": Said("From", "Aus"),
    "folder": Said("Folder {number}", "Ordner {number}"),
    "only_folder": Said("Folder", "Ordner"),
    "uploaded": Said("Uploaded files", "Hochgeladene Dateien"),
    "archive": Said("ZIP archive {number}", "ZIP-Archiv {number}"),
    "samples": Said("Samples", "Beispiele"),
    "patient": Said("Patient {number}", "Patient {number}"),
    "study": Said("Study {number}", "Studie {number}"),
    "series": Said("Series {number}", "Serie {number}"),
    "nobody": Said("Without a patient", "Ohne Patient"),
    "patients": Said("Patient", "Patient"),
    "localiser": Said("localiser", "Übersicht"),
    "images": Said("{count} images", "{count} Bilder"),
    "image": Said("1 image", "1 Bild"),
    "kind_picture": Said("Picture {number}", "Bild {number}"),
    "kind_nifti": Said("NIfTI {number}", "NIfTI {number}"),
    "kind_slide": Said("Slide {number}", "Objektträger {number}"),
    "kind_dicom": Said("DICOM {number}", "DICOM {number}"),
    "page": Said("{first}–{last} of {count}", "{first}–{last} von {count}"),
    "previous": Said("Back", "Zurück"),
    "next": Said("Next", "Weiter"),
    "told": Said("Names from the files", "Namen aus den Dateien"),
    "told_help": Said(
        "Shows what the files say in words: patients' names, descriptions, file names. Only on this screen.",
        "Zeigt, was in den Dateien steht: Namen der Patienten, Beschreibungen, Dateinamen. Nur auf diesem Bildschirm.",
    ),
    "upload": Said("Open your own", "Eigene öffnen"),
    "upload_files": Said("Files or ZIP archives", "Dateien oder ZIP-Archive"),
    "upload_folder": Said("A whole folder", "Ein ganzer Ordner"),
    "upload_limits": Said(
        "DICOM, NIfTI, slides, PNG, JPEG, TIFF, WebP or BMP. At most {megabytes} MB a file, {files} files and {total} "
        "in all. Only this page sees them; they are removed when it is closed.",
        "DICOM, NIfTI, Objektträger, PNG, JPEG, TIFF, WebP oder BMP. Höchstens {megabytes} MB je Datei, {files} "
        "Dateien und {total} zusammen. Nur diese Seite sieht sie; wird sie geschlossen, werden sie gelöscht.",
    ),
    "upload_held": Said("Held: {files} files, {size}", "Hier: {files} Dateien, {size}"),
    "upload_remove": Said("Remove what I uploaded", "Hochgeladenes löschen"),
    "passed_over": Said("{files} files, {count} passed over", "{files} Dateien, {count} übergangen"),
    "passed_over_none": Said("{files} files, none passed over", "{files} Dateien, keine übergangen"),
    "listing": Said("Looking through files …", "Dateien werden durchgesehen …"),
    "listing_done": Said("Looked at {done} of {total} files", "{done} von {total} Dateien durchgesehen"),
    "listing_found": Said("{done} files found", "{done} Dateien gefunden"),
    "stop": Said("Stop", "Anhalten"),
    "stopped": Said("Stopped before the end.", "Vor dem Ende angehalten."),
    "again": Said("Look again", "Erneut durchsehen"),
    "empty": Said("No image in it.", "Kein Bild darin."),
    "no_thumbnail": Said("no preview", "keine Vorschau"),
}
