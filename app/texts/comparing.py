"""Two models or two windows side by side."""

from __future__ import annotations

from app.texts.said import Said

TEXTS: dict[str, Said] = {
    "title": Said("Compare", "Vergleichen"),
    "between": Said("Compare two", "Vergleichen: zwei"),
    "windows": Said("windows", "Fenster"),
    "models": Said("models", "Modelle"),
    "left": Said("Left", "Links"),
    "right": Said("Right", "Rechts"),
    "window": Said("Window", "Fenster"),
    "own": Said("The file's own", "Wie in der Datei"),
    "own_number": Said("The file's own, {number}", "Wie in der Datei, {number}"),
    "seen": Said("As set in the viewer", "Wie im Betrachter eingestellt"),
    "custom": Said("Width / level", "Breite / Mitte"),
    "custom_hint": Said("such as 1500/-600", "etwa 1500/-600"),
    "model": Said("Model", "Modell"),
    "question": Said("Question", "Frage"),
    "ask": Said("Ask both", "Beide fragen"),
    "same_answer": Said("Both give the same answer.", "Beide geben dieselbe Antwort."),
    "other_answer": Said("The answers differ.", "Die Antworten unterscheiden sich."),
    "shared": Said(
        "{share} % of the evidence that points to a place lies in the same places.",
        "{share} % der Belege, die auf eine Stelle zeigen, liegen an denselben Stellen.",
    ),
    "not_shared": Said(
        "Whether both looked at the same places cannot be told.",
        "Ob beide an dieselben Stellen sahen, lässt sich nicht sagen.",
    ),
    "too_few": Said(
        "There is one window and one model for this picture; expected two of either. A picture in colour has no "
        "windows; more models are given with --compare.",
        "Für dieses Bild gibt es ein Fenster und ein Modell; erwartet werden zwei davon. Ein Farbbild hat keine "
        "Fenster; weitere Modelle gibt --compare an.",
    ),
    "equal_sides": Said(
        "Both sides are the same; expected two windows or two models: change one",
        "Beide Seiten sind gleich; erwartet werden zwei Fenster oder zwei Modelle: eine ändern",
    ),
    "heat": Said("Map of evidence", "Karte der Belege"),
    "working": Said("{stage} ({side} of 2)", "{stage} ({side} von 2)"),
    "waiting": Said("Waiting for {count} before …", "{count} sind zuerst dran …"),
    "loading": Said("Loading the model …", "Das Modell wird geladen …"),
    "reading": Said("Looking at the picture …", "Das Bild wird angesehen …"),
    "answering": Said("Answering …", "Es wird geantwortet …"),
    "evidence": Said("Finding the crops that counted …", "Die Ausschnitte, die zählten, werden gesucht …"),
    "cancel": Said("Cancel", "Abbrechen"),
    "cancelled": Said("Cancelled.", "Abgebrochen."),
}
