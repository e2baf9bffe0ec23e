"""The page that browses a run of `medfly eval`."""

from __future__ import annotations

from app.texts.said import Said

TEXTS: dict[str, Said] = {
    "title": Said("Runs", "Läufe"),
    "none_given": Said(
        "No run was given; expected a folder that `medfly eval` wrote: start with --runs FOLDER --data FOLDER",
        "Kein Lauf angegeben; erwartet wird ein Ordner von `medfly eval`: mit --runs ORDNER --data ORDNER starten",
    ),
    "none_found": Said(
        "Found no run in the folder given; expected one that `medfly eval` wrote, with run.json in it: check --runs",
        "Kein Lauf im angegebenen Ordner; erwartet wird einer von `medfly eval`, mit run.json darin: --runs prüfen",
    ),
    "run": Said("Run", "Lauf"),
    "about": Said(
        "{task} {split} · model {model} {hash} · {count} questions",
        "{task} {split} · Modell {model} {hash} · {count} Fragen",
    ),
    "gone": Said(
        "{count} of {all} images are gone from the data folder; their questions are shown without them. "
        "Whether the others are the run's own could not be checked.",
        "{count} von {all} Bildern fehlen im Datenordner; ihre Fragen werden ohne sie gezeigt. "
        "Ob die übrigen die des Laufs sind, ließ sich nicht prüfen.",
    ),
    "rule": Said("Right by", "Richtig nach"),
    "rule_help": Said(
        "The rule that judges the answers. A score from 0.5 on counts as right here.",
        "Die Regel, die über die Antworten urteilt. Ab einem Wert von 0,5 gilt eine Antwort hier als richtig.",
    ),
    "outcome": Said("Outcome", "Ergebnis"),
    "right": Said("right", "richtig"),
    "wrong": Said("wrong", "falsch"),
    "unparsed": Said("unparsed", "nicht lesbar"),
    "left out": Said("left out by the rule", "von der Regel ausgelassen"),
    "unscored": Said("no expected answer", "keine erwartete Antwort"),
    "subgroups": Said("Subgroups", "Untergruppen"),
    "subgroups_hint": Said("All; choose organ, modality, kind …", "Alle; Organ, Modalität, Art … wählen"),
    "words": Said("Words", "Wörter"),
    "words_hint": Said("in question or answers", "in Frage oder Antworten"),
    "order": Said("Order", "Reihenfolge"),
    "surest": Said("surest first", "sicherste zuerst"),
    "least sure": Said("least sure first", "unsicherste zuerst"),
    "as asked": Said("as asked", "wie gefragt"),
    "judge": Said("Show what would be deferred", "Zeigen, was zurückgestellt würde"),
    "judge_help": Said(
        "By each answer's confidence alone, as the model's calibration says. Loads the model.",
        "Allein nach der Sicherheit jeder Antwort, wie es die Kalibrierung des Modells sagt. Lädt das Modell.",
    ),
    "loading": Said("Loading the model …", "Das Modell wird geladen …"),
    "deferral": Said("Deferral", "Zurückstellung"),
    "deferred": Said("deferred", "zurückgestellt"),
    "kept": Said("not deferred", "nicht zurückgestellt"),
    "not_calibrated": Said(
        "There is no calibration for this model: nothing can be deferred.",
        "Für dieses Modell gibt es keine Kalibrierung: es kann nichts zurückgestellt werden.",
    ),
    "fitted_here": Said(
        "The calibration was fitted on this very split: what is deferred here is no test of it.",
        "Die Kalibrierung entstand an eben diesem Teil: was hier zurückgestellt wird, prüft sie nicht.",
    ),
    "other_model": Said(
        "The run is of model {run}, the viewer has {own}; expected the same: start it with --model {name}",
        "Der Lauf ist von Modell {run}, der Betrachter hat {own}; erwartet wird dasselbe: mit --model {name} starten",
    ),
    "shown": Said("{shown} of {all} questions: {outcomes}", "{shown} von {all} Fragen: {outcomes}"),
    "nothing": Said("No question fits; choose less.", "Keine Frage passt; weniger auswählen."),
    "number": Said("Question", "Frage"),
    "question": Said("Words", "Wortlaut"),
    "expected": Said("Expected", "Erwartet"),
    "predicted": Said("Answer", "Antwort"),
    "confidence": Said("Confidence", "Sicherheit"),
    "confidence_help": Said(
        "Not calibrated, not a probability of disease", "Nicht kalibriert, keine Wahrscheinlichkeit einer Krankheit"
    ),
    "previous": Said("← Previous", "← Vorige"),
    "next": Said("Next →", "Nächste →"),
    "place": Said("{place} of {all}", "{place} von {all}"),
    "expected_line": Said("expected: {answer}", "erwartet: {answer}"),
    "no_expected": Said("the data set names no expected answer", "der Datensatz nennt keine erwartete Antwort"),
    "judged": Said("{outcome} by {rule}", "{outcome} nach {rule}"),
    "put": Said("asked as: {question}", "gefragt als: {question}"),
    "explain": Said("Show the crops that counted", "Die Ausschnitte zeigen, die zählten"),
    "explain_help": Said(
        "Asks the model again, now with its evidence.", "Fragt das Modell noch einmal, nun mit seinen Belegen."
    ),
    "now_says": Said(
        "Asked again, the model said “{answer}”; the run has “{before}”.",
        "Noch einmal gefragt, sagte das Modell „{answer}“; im Lauf steht „{before}“.",
    ),
    "correct": Said("Correct the expected answer", "Die erwartete Antwort berichtigen"),
    "corrected": Said("Right answer", "Richtige Antwort"),
    "no_right": Said("The question has no right answer", "Die Frage hat keine richtige Antwort"),
    "keep": Said("Keep the correction", "Berichtigung behalten"),
    "take_back": Said("Take it back", "Zurücknehmen"),
    "is_corrected": Said("corrected: {answer}", "berichtigt: {answer}"),
    "corrections": Said(
        "{count} corrected. They are kept until this page is closed, and change no score.",
        "{count} berichtigt. Sie bleiben, bis diese Seite geschlossen wird, und ändern keine Bewertung.",
    ),
    "export": Said("Corrections as JSON lines", "Berichtigungen als JSON-Zeilen"),
    "export_help": Said(
        "The file holds questions and answers of the data set: keep it as you keep that.",
        "Die Datei enthält Fragen und Antworten des Datensatzes: sie ist wie dieser zu behandeln.",
    ),
}
