"""Asking: questions, answers, trust and evidence."""

from __future__ import annotations

from app.texts.said import Said

TEXTS: dict[str, Said] = {
    "question": Said("Question", "Frage"),
    "placeholder": Said("Ask in English about this picture", "Auf Englisch zu diesem Bild fragen"),
    "ask": Said("Ask", "Fragen"),
    "suggested": Said("Suggested questions", "Vorgeschlagene Fragen"),
    "only_region": Said("Only about the region drawn ({box})", "Nur zum gezeichneten Bereich ({box})"),
    "follow_up": Said(
        "As a follow-up to the answers about this picture", "Als Nachfrage zu den Antworten zu diesem Bild"
    ),
    "follow_up_help": Said(
        "The model is shown the questions and answers before. It was calibrated with single questions.",
        "Dem Modell werden die Fragen und Antworten davor gezeigt. Kalibriert wurde es mit einzelnen Fragen.",
    ),
    "cancel": Said("Cancel", "Abbrechen"),
    "waiting": Said("Waiting: {before} before this one", "Wartet: {before} davor"),
    "loading": Said("Loading the model …", "Das Modell wird geladen …"),
    "reading": Said("Looking at the picture …", "Das Bild wird gelesen …"),
    "answering": Said("Answering …", "Die Antwort kommt …"),
    "evidence": Said("Finding out what counted …", "Was gezählt hat, wird gesucht …"),
    "looking": Said("Looking at changed pictures …", "Veränderte Bilder werden gelesen …"),
    "looking_counted": Said(
        "Looking at changed pictures: {done} of {total}", "Veränderte Bilder werden gelesen: {done} von {total}"
    ),
    "elsewhere": Said("A question about another series is being answered", "Eine Frage zu einer anderen Serie läuft"),
    "vary": Said(
        "Ask again under changes that should not matter", "Unter Änderungen fragen, die nichts ändern sollten"
    ),
    "vary_help": Said(
        "Other windows, zoom, shift, JPEG, other words: some 15 pictures, each of which takes as long as an answer.",
        "Andere Fenster, Zoom, Verschiebung, JPEG, andere Worte: etwa 15 Bilder, jedes so lang wie eine Antwort.",
    ),
    "vary_not": Said(
        "Answers behind earlier turns are not asked again under changes.",
        "Nachfragen werden nicht unter Änderungen gefragt.",
    ),
    "check": Said("Does the answer change without this crop?", "Ändert sich die Antwort ohne diesen Ausschnitt?"),
    "check_crop": Said("Crop", "Ausschnitt"),
    "check_same": Said(
        "Without crop {crop} the answer stays “{before}”; the crop changes its log probability by {nats} nats.",
        "Ohne Ausschnitt {crop} bleibt die Antwort „{before}“; er ändert ihre Log-Wahrscheinlichkeit um {nats} nat.",
    ),
    "check_changed": Said(
        "Without crop {crop} the answer changes from “{before}” to “{after}”; the crop changes the log probability of "
        "the first by {nats} nats.",
        "Ohne Ausschnitt {crop} wird aus der Antwort „{before}“ die Antwort „{after}“; er ändert die "
        "Log-Wahrscheinlichkeit der ersten um {nats} nat.",
    ),
    "other_frame": Said(
        "This answer is about another frame: show it on the scan first.",
        "Diese Antwort gehört zu einem anderen Bild: erst auf der Aufnahme zeigen.",
    ),
    "more": Said("Check this answer", "Diese Antwort prüfen"),
    "earlier_answers": Said("Earlier answers about this series", "Frühere Antworten zu dieser Serie"),
    "show": Said("Show on the scan", "Auf der Aufnahme zeigen"),
    "forget": Said("Forget these answers", "Diese Antworten vergessen"),
    "evidence_shown": Said("Evidence on the scan", "Belege auf der Aufnahme"),
    "boxes": Said("Best crops", "Beste Ausschnitte"),
    "heat": Said("Map of evidence", "Karte der Belege"),
    "nothing": Said("None", "Keine"),
    "opacity": Said("Opacity of the map", "Deckkraft der Karte"),
    "grid": Said("Show the crops that the model saw", "Die Ausschnitte zeigen, die das Modell sah"),
    "about_region": Said(
        "About the region {box} only: the model saw nothing else.",
        "Nur zum Bereich {box}: sonst sah das Modell nichts.",
    ),
    "deferred": Said("Deferred: left to a person", "Zurückgestellt: einem Menschen überlassen"),
    "deferred_answer": Said("answer, deferred:", "Antwort, zurückgestellt:"),
    "crops": Said(
        "The crops that counted most: hover to see them, press to go there",
        "Die Ausschnitte, die am meisten zählten: darauf zeigen, um sie zu sehen; drücken, um hinzugehen",
    ),
    "provenance": Said("What the model saw", "Was das Modell sah"),
    "input": Said("picture", "Bild"),
    "window": Said("window", "Fenster"),
    "model": Said("model", "Modell"),
    "crop_levels": Said("zoom levels", "Zoomstufen"),
    "note": Said("note", "Hinweis"),
    "earlier": Said("asked before", "davor gefragt"),
    "frame": Said("Frame {frame}", "Bild {frame}"),
}
