"""The words of the demo's mail: conversations, single letters, newsletters. Own wording, German with some English.

`{…}` are filled in by `content`. This module does not know dates, addresses or MIME.
"""

from __future__ import annotations

CONVERSATIONS: tuple[tuple[int, str, tuple[str, ...]], ...] = (
    (
        0,
        "Baumängel Einfamilienhaus, Gutachtentermin",
        (
            "Sehr geehrte Frau Lindner,\n\nam Wochenende ist im Keller wieder Wasser eingetreten, diesmal an der Nordwand. "
            "Ich habe alles fotografiert; zwei Bilder liegen bei. Der Bauleiter geht nicht ans Telefon.\n\nWie soll ich mich "
            "verhalten, wenn die Firma morgen plötzlich vor der Tür steht?\n\nViele Grüße\nHenrike Brückner",
            "Sehr geehrte Frau Brückner,\n\nbitte lassen Sie niemanden an die Wand, bevor der Sachverständige dort war. Wir "
            "beantragen heute das selbständige Beweisverfahren und setzen der Hansebau eine Frist bis zum Monatsende.\n\n"
            "Die Fotos genügen für den Antrag. Notieren Sie bitte noch, seit wann die Stelle feucht ist.\n\n"
            "Mit freundlichen Grüßen\nClara Lindner",
            "Liebe Frau Lindner,\n\ndas beruhigt mich sehr. Feucht ist die Stelle seit dem ersten Frost, also ungefähr seit "
            "sieben Wochen. Den Handwerkern sage ich ab.\n\nHerzliche Grüße\nHenrike Brückner",
            "Sehr geehrte Frau Brückner,\n\nder Termin mit dem Sachverständigen steht: Donnerstag, 9.30 Uhr, bei Ihnen. "
            "Herr Weber wird dabei sein. Den Entwurf unseres Schriftsatzes finden Sie im Anhang.\n\nMit freundlichen Grüßen\n"
            "Clara Lindner",
        ),
    ),
    (
        1,
        "Liefervertrag: Änderungen in § 7",
        (
            "Hallo Herr Weber,\n\nunser Abnehmer möchte die Haftung in § 7 auf den Auftragswert begrenzen. Für uns wäre das in "
            "Ordnung, wenn die Frist für Rügen gleich bleibt. Können Sie das bitte prüfen?\n\nBeste Grüße\nMehmet Yıldız",
            "Sehr geehrter Herr Yıldız,\n\ndie Begrenzung ist üblich, die Formulierung aber zu weit: Sie schlösse auch "
            "Vorsatz ein und wäre damit unwirksam. Mein Vorschlag steht im Anhang, Änderungen sind markiert.\n\nFreundliche "
            "Grüße\nJonas Weber",
            "Danke, das ging schnell! Der Abnehmer ist einverstanden. Wir unterschreiben am Freitag.\n\nMehmet Yıldız",
        ),
    ),
    (
        2,
        "Nachlass meiner Mutter: Wie geht es weiter?",
        (
            "Sehr geehrte Damen und Herren,\n\nmein Bruder und ich können uns über das Haus nicht einigen. Er möchte verkaufen, "
            "ich würde es gern übernehmen. Ein Testament gibt es nicht. Eine Aufstellung der Konten habe ich angehängt.\n\n"
            "Was kostet mich eine erste Beratung?\n\nFreundliche Grüße\nGudrun Ößner",
            "Sehr geehrte Frau Ößner,\n\nohne Testament bilden Sie beide eine Erbengemeinschaft; keiner kann allein über das "
            "Haus verfügen. Am Anfang steht eine Bewertung durch einen Gutachter, auf die Sie sich beide verlassen.\n\nEin "
            "erstes Gespräch kostet höchstens 190 Euro zuzüglich Umsatzsteuer. Passt Ihnen Dienstag um 15 Uhr?\n\n"
            "Mit freundlichen Grüßen\nAylin Demir",
            "Dienstag um 15 Uhr passt. Ich bringe den Grundbuchauszug mit.\n\nGudrun Ößner",
        ),
    ),
    (
        3,
        "Kündigung Lagerleiter – Anhörung Betriebsrat",
        (
            "Guten Tag Frau Lindner,\n\nwir müssen uns vom Lagerleiter trennen. Die dritte Abmahnung ist vom Oktober, im "
            "November fehlte erneut Ware. Muss der Betriebsrat vor oder nach dem Gespräch gehört werden?\n\nGruß\n"
            "Torben Kählert",
            "Sehr geehrter Herr Kählert,\n\nunbedingt vorher, und mit allen Gründen: Was Sie dem Betriebsrat nicht sagen, hilft "
            "Ihnen später vor Gericht nicht. Er hat eine Woche Zeit. Bitte sprechen Sie bis dahin nicht mit dem Mitarbeiter.\n\n"
            "Mit freundlichen Grüßen\nClara Lindner",
            "Verstanden. Das Schreiben an den Betriebsrat schicke ich Ihnen heute Abend zur Durchsicht.\n\nTorben Kählert",
            "Ich habe zwei Sätze ergänzt und die Sozialdaten berichtigt. So kann es hinausgehen.\n\nClara Lindner",
        ),
    ),
    (
        4,
        "Pachtvertrag Gut Steinau, Flurstück 14/2",
        (
            "Liebe Frau Lindner,\n\nder Pächter hat zum zweiten Mal nur die halbe Pacht überwiesen und schweigt auf Briefe. Ich "
            "möchte ihn nicht verlieren, aber so geht es nicht weiter.\n\nIhre\nMargarethe von Stein",
            "Liebe Frau von Stein,\n\ndann schreiben wir ihm freundlich, aber mit Datum: Zahlung binnen zwei Wochen, sonst "
            "Kündigung aus wichtigem Grund. Der Entwurf geht Ihnen morgen zu.\n\nHerzlich\nClara Lindner",
        ),
    ),
    (
        5,
        "Werklohn Geländer Schulzentrum: 18.440 € offen",
        (
            "Moin,\n\ndas Geländer ist seit März abgenommen, die Stadt zahlt trotzdem nicht. Aufmaß und Abnahmeprotokoll im "
            "Anhang. Bitte Mahnbescheid.\n\nJ. Pötzsch",
            "Sehr geehrter Herr Pötzsch,\n\nbevor wir Gebühren auslösen: Die Stadt rügt laut Protokoll zwei fehlende "
            "Handläufe. Sind die inzwischen montiert?\n\nMit freundlichen Grüßen\nJonas Weber",
            "Seit April. Foto hab ich.\n\nJ. Pötzsch",
            "Gut, dann steht der Forderung nichts entgegen. Der Antrag ist heute beim Mahngericht eingegangen.\n\nJonas Weber",
        ),
    ),
    (
        6,
        "Mieterhöhung Atelier Hafenstraße",
        (
            "Bonjour Madame Demir,\n\nder Vermieter verlangt ab Januar 22 Prozent mehr und beruft sich auf eine "
            "Indexklausel, die ich im Vertrag nicht finde. Je ne comprends pas… Darf er das?\n\nMerci!\nAmélie Dubois",
            "Liebe Frau Dubois,\n\nohne Klausel keine Indexmiete: Sie müssen nichts unterschreiben. Zahlen Sie bitte "
            "pünktlich die bisherige Miete weiter. Das Antwortschreiben lege ich Ihnen bei.\n\nViele Grüße\nAylin Demir",
            "Vous êtes formidable – danke! Er hat eben angerufen und klang viel kleiner.\n\nAmélie",
        ),
    ),
    (
        7,
        "Charter agreement MV Havlit: demurrage",
        (
            "Dear Ms Lindner,\n\nthe vessel waited four days off Cuxhaven and the charterers now refuse to pay demurrage. They "
            "argue that notice of readiness was given on a Sunday. Our time sheet is attached.\n\nKind regards\nSøren Lindqvist",
            "Dear Mr Lindqvist,\n\nclause 9 counts Sundays unless used, and they were used: the log shows cargo work from "
            "six in the morning. I will write to their agents tomorrow and suggest payment within ten days.\n\nKind regards\n"
            "Clara Lindner",
            "Excellent. Please copy our Oslo office.\n\nSøren",
        ),
    ),
    (
        8,
        "Licence agreement: audit clause",
        (
            "Hi Jonas,\n\nour customer in Munich asks to strike the audit clause entirely. We could live with an annual "
            "self-declaration. Would that hold under German law?\n\nBest\nPriya",
            "Hi Priya,\n\nit would, provided the declaration is signed by a managing director and you keep the right to "
            "inspect once there is concrete suspicion. I have drafted both variants.\n\nBest regards\nJonas",
        ),
    ),
    (
        9,
        "Purchase of Villa Sonneck: notary date",
        (
            "Dear Clara,\n\nthe bank has confirmed the financing. Can we have the notary before the 20th? My wife is in "
            "Dublin until the 12th.\n\nThanks a million\nThomas O'Hara",
            "Dear Thomas,\n\nthe notary offers the 14th at 11 or the 18th at 9. An interpreter is booked for either day. "
            "Please bring both passports and your tax numbers.\n\nKind regards\nClara",
            "The 14th it is!\n\nThomas",
        ),
    ),
)
"""(index of the client, subject, turns beginning with the client's)."""

ENQUIRIES = (
    (
        "Frage zum Nachbarrecht",
        "der Nachbar hat eine Hecke direkt an die Grenze gesetzt. Ab welcher Höhe kann ich etwas tun?",
    ),
    (
        "Termin für Erstberatung",
        "ich suche Beratung zu einem Aufhebungsvertrag. Haben Sie diese Woche noch etwas frei?",
    ),
    (
        "Mietminderung wegen Baulärm",
        "gegenüber wird seit drei Monaten gebohrt. Darf ich die Miete kürzen, und um wie viel?",
    ),
    (
        "Vollmacht für meine Eltern",
        "wir möchten eine Vorsorgevollmacht aufsetzen. Was müssen wir zum Gespräch mitbringen?",
    ),
    ("Praktikum im Sommer", "ich studiere im vierten Semester Jura und würde gern sechs Wochen bei Ihnen mitarbeiten."),
    (
        "Unfall auf dem Parkplatz",
        "mir ist jemand in die Tür gefahren und behauptet nun das Gegenteil. Lohnt sich ein Anwalt?",
    ),
    (
        "Abmahnung erhalten",
        "ich soll wegen eines Fotos auf meiner Seite 1.200 Euro zahlen. Frist ist Freitag! Was nun?",
    ),
    ("Gründung einer GmbH", "zu zweit wollen wir eine kleine Brauerei gründen. Machen Sie auch Gesellschaftsverträge?"),
)

MEMOS = (
    (
        "Urlaubsplan",
        "Hallo zusammen,\n\ntragt bitte bis Freitag eure Wochen ein. Über Ostern brauchen wir mindestens eine Person.",
    ),
    (
        "Aktenzeichen",
        "Kannst du bitte nachsehen, ob das Aktenzeichen im letzten Schriftsatz stimmt? Das Gericht findet uns nicht.",
    ),
    ("Mittag?", "Um halb eins zum neuen Italiener am Markt? Ich lade ein – wir haben den Vergleich!"),
    ("Drucker im Flur", "Der Drucker zieht wieder zwei Blätter. Techniker kommt morgen zwischen acht und zehn."),
    (
        "Frist Hansebau",
        "Die Stellungnahme muss am Mittwoch raus. Ich habe den Entwurf in die Akte gelegt, liest du gegen?",
    ),
    ("Vertretung am Donnerstag", "Ich bin beim Termin in Stade. Übernimmst du bitte das Telefon bis 14 Uhr?"),
    ("Re: Schlüssel", "Liegt im oberen Fach, hinter den Umschlägen. Bitte wieder zurücklegen."),
)

DEADLINES = (
    "Stellungnahme zum Gutachten", "Berufungsbegründung", "Klageerwiderung", "Nachreichung der Vollmacht", "Kostenvorschuss",
)  # fmt: skip

NEWSLETTERS = (
    (
        "Kammer aktuell",
        "newsletter@anwaltskammer-nord.example",
        "Neues aus dem Berufsrecht",
        ("Elektronische Akte: Was sich zum Quartal ändert", "Fortbildung: noch zwölf Plätze im Seminar Erbrecht",
         "Sprechstunde Datenschutz jetzt jeden zweiten Dienstag"),
    ),
    (
        "Fachbuch Jura & Co.",
        "neues@fachbuch-jura.example",
        "Frisch gedruckt: Ihre Auswahl",
        ("Das neue Bauvertragsrecht, 3. Auflage", "Handbuch Gewerbemiete mit Mustern", "Restposten: Kommentare ab 19 €"),
    ),
    (
        "Legal Tech Digest",
        "digest@legaltech.example",
        "This week: fewer clicks, more law",
        ("Why document names matter more than folders", "Five questions to ask before you scan", "A small office goes paperless"),
    ),
)  # fmt: skip

SPAM_TEXTS = (
    ("Ihr Konto wurde eingeschränkt!!!", "Sehr geehrter Kunde, bestätigen Sie Ihre Daten binnen 24 Stunden."),
    ("Sie haben gewonnen", "Herzlichen Glückwunsch! Ihr Preis wartet. Nur Versandkosten fallen an."),
    ("Cheap office chairs, 90% off", "Dear Sir or Madam, best chairs for best price, answer today."),
)
