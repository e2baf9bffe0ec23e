"""Verdicts, comments, the audit log and exports."""

from __future__ import annotations

from app.texts.said import Said

TEXTS: dict[str, Said] = {
    "verdict": Said("Is this answer right?", "Stimmt diese Antwort?"),
    "agree": Said("Agree", "Ich stimme zu"),
    "disagree": Said("Disagree", "Ich stimme nicht zu"),
    "not_kept": Said("Your verdict was not kept: {why}", "Ihr Urteil wurde nicht festgehalten: {why}"),
    "comment": Said("Comment", "Bemerkung"),
    "comment_where": Said(
        "Kept on this server in a file of its own, apart from the audit log. Please name no patients.",
        "Steht auf diesem Server in einer eigenen Datei, getrennt vom Protokoll. Bitte keine Patienten nennen.",
    ),
    "comment_keep": Said("Keep the comment", "Bemerkung speichern"),
    "comment_kept": Said("Your comment was kept.", "Ihre Bemerkung wurde gespeichert."),
    "export": Said("Export this session", "Diese Sitzung exportieren"),
    "export_what": Said(
        "Questions as you typed them, answers, pictures and verdicts; no file names and no comments. Text that is "
        "burned into a picture stays in it.",
        "Fragen, wie Sie sie geschrieben haben, Antworten, Bilder und Urteile; keine Dateinamen und keine Bemerkungen. "
        "Schrift, die in ein Bild eingebrannt ist, bleibt darin.",
    ),
    "export_none": Said(
        "There is no answer yet: ask something first.", "Es gibt noch keine Antwort: Fragen Sie zuerst."
    ),
    "as_html": Said("Web page (HTML)", "Webseite (HTML)"),
    "as_pdf": Said("Document (PDF)", "Dokument (PDF)"),
    "as_jsonl": Said("Data (JSON lines)", "Daten (JSON Lines)"),
    "logged": Said(
        "This server keeps an audit log: dates, hashes of scans, questions and answers, and your verdicts.",
        "Dieser Server führt ein Protokoll: Zeiten, Prüfsummen von Bildern, Fragen und Antworten und Ihre Urteile.",
    ),
}
