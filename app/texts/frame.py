"""The page around all parts: its banner, language and failures."""

from __future__ import annotations

from app.texts.said import Said

TEXTS: dict[str, Said] = {
    "research_use": Said("Research use only – not for diagnosis", "Nur für die Forschung – nicht zur Diagnose"),
    "language": Said("Language", "Sprache"),
    "viewer": Said("Viewer", "Betrachter"),
    "failed": Said(
        "MedFly itself failed here ({kind}); nothing was answered. Open the scan again or try another.",
        "MedFly selbst ist hier gescheitert ({kind}); es wurde nichts beantwortet. Bitte das Bild neu öffnen oder ein "
        "anderes versuchen.",
    ),
    "nothing_open": Said(
        "Open something in the sidebar: DICOM, NIfTI, a slide or a picture. It stays on this machine.",
        "Öffnen Sie links etwas: DICOM, NIfTI, einen Schnitt oder ein Bild. Es bleibt auf diesem Rechner.",
    ),
    "about": Said("Ask about", "Frage zu"),
    "left": Said("left", "links"),
    "right": Said("right", "rechts"),
    "login": Said("Log in", "Anmelden"),
    "login_why": Said("This viewer is for known users.", "Dieser Betrachter ist für bekannte Benutzer."),
    "logout": Said("Log out", "Abmelden"),
}
