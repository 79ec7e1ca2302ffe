"""The phrases that the grammar's sentences are made of: nouns, forms of questions and answers, words for places. All ours.

None of the forms is one of the test pools of `datasets/questions.py`. In forms, {t} is the noun ("skin lesion"), {a_t} the noun
with an article ("a skin lesion", "lungs"), {i} the image's noun, {is}, {Is}, {it}, {it_is}, {lies} follow the noun's number, and
{pp} is a place with its preposition ("in the upper left"), {np} without one ("upper left").
Left, right, top and bottom are sides of the image, also in anatomical words: "left lung" is the lung on the image's left.
"""

from __future__ import annotations

# setting: (nouns, plural nouns, nouns of images). "lungs" and "lung" have the label of lungs, the others that of the box.
SETTINGS: dict[str, tuple[tuple[str, ...], tuple[str, ...], tuple[str, ...]]] = {
    "brain": (
        ("tumour", "tumor", "lesion", "mass", "glioma", "brain tumour", "enhancing lesion", "abnormal signal", "metastasis",
         "meningioma", "hyperintense area", "oedema"),
        (),
        ("MRI image", "MRI slice", "MR image", "brain scan", "FLAIR image", "axial slice", "MRI", "MR slice"),
    ),
    "breast": (
        ("mass", "lesion", "tumour", "nodule", "cyst", "hypoechoic mass", "suspicious lesion", "breast mass", "fibroadenoma"),
        (),
        ("ultrasound scan", "ultrasound image", "sonogram", "breast scan", "ultrasound", "US image"),
    ),
    "lungs": (
        (),
        ("lungs", "lung fields", "two lungs", "segmented lungs"),
        ("CT slice", "CT scan", "chest CT", "CT image", "chest X-ray", "radiograph", "chest film", "X-ray", "X-ray image"),
    ),
    "lung": (
        ("nodule", "opacity", "consolidation", "infiltrate", "infection", "lung nodule", "ground-glass opacity", "pneumonia",
         "lung lesion", "shadow"),
        ("opacities", "nodules", "infiltrates"),
        ("CT slice", "CT scan", "chest CT", "CT image", "chest X-ray", "radiograph", "chest film", "X-ray", "thoracic image"),
    ),
    "endoscopy": (
        ("polyp", "growth", "adenoma", "lesion", "sessile polyp", "colon polyp", "mass"),
        (),
        ("endoscopy image", "colonoscopy frame", "endoscopic view", "video frame", "colonoscopy image"),
    ),
    "skin": (
        ("skin lesion", "mole", "naevus", "nevus", "melanoma", "lesion", "dark spot", "pigmented lesion", "rash", "spot"),
        (),
        ("skin photograph", "dermoscopy image", "photo", "picture", "photograph", "dermatoscopic image", "skin image"),
    ),
    "other": (
        ("lesion", "abnormality", "finding", "target", "region of interest", "object", "structure", "liver lesion",
        "kidney stone",
         "optic disc", "prostate lesion", "thyroid nodule", "lymph node", "cell", "cavity", "instrument", "highlighted area",
         "anomaly", "segmented region", "thing in question", "haematoma", "fracture", "ulcer"),
        ("abnormalities", "lesions", "findings", "cells", "calcifications"),
        ("image", "picture", "scan", "view", "slice", "frame", "fundus image", "microscope image", "field of view", "photo"),
    ),
}  # fmt: skip

# ---- questions ----

QUESTIONS = (
    "Where {is} the {t}?", "Where {is} the {t} in the {i}?", "Where exactly {is} the {t}?",
    "Where {is} the {t} located in this {i}?",
    "Where can I find the {t}?", "Where can the {t} be found in the {i}?", "Where do you see {a_t}?", "Where does the {t} lie?",
    "Where in this {i} {is} the {t} visible?", "Where would I find the {t} on this {i}?", "Whereabouts {is} the {t}?",
    "In which part of the {i} {is} the {t}?", "In which region {lies} the {t}?", "In what part of this {i} do you see the {t}?",
    "Which part of the {i} shows the {t}?", "Which area of this {i} contains the {t}?", "Which corner {is} the {t} in?",
    "Which side of the {i} {is} the {t} on?", "Which quadrant {is} the {t} in?", "At which place {is} the {t} seen?",
    "What is the position of the {t}?", "What is the position of the {t} in this {i}?", "What is the {t}'s location?",
    "What position does the {t} have in the {i}?", "What location would you give for the {t}?", "What place {is} the {t} in?",
    "Describe the position of the {t}.", "Describe where the {t} {is} in this {i}.", "Please describe the location of the {t}.",
    "Describe the {t} and {its} position in the {i}.", "In a few words, where {is} the {t}?", "Locate the {t}.",
    "Locate {a_t} in this {i}.", "Please locate the {t} on the {i}.", "Find the {t}.",
    "Find the {t} in the {i} and say where {it_is}.",
    "Find {a_t} and tell me the place.", "Segment the {t}.", "Segment the {t} and say where {it_is}.",
    "Segment the {t} in this {i} and describe {its} position.", "Please segment the {t} and report the location.",
    "Mark the {t}.", "Mark the {t} and name the position.", "Please mark where the {t} {is}.",
    "Outline the {t} and tell me where {it_is}.",
    "Draw the outline of the {t} and state {its} location.", "Point to the {t}.", "Point out the {t} in this {i}.",
    "Show me the {t}.", "Show me where the {t} {is} in the {i}.", "Show the {t} and put {its} position into words.",
    "Tell me where the {t} {is}.", "Tell me the location of the {t} in this {i}.", "Say where the {t} {is} on the {i}.",
    "Name the position of the {t}.", "Name the place of the {t} in this {i}.", "Report the position of the {t} in the {i}.",
    "State where the {t} {is}.", "Give the position of the {t}.", "Give me the location of the {t} in the {i}.",
    "Identify the {t} and {its} location.", "Identify the region that contains the {t}.",
    "Detect the {t} and tell where {it_is}.",
    "Can you see the {t}? Where?", "Can you find the {t}?", "Can you find the {t} in this {i}?",
    "Can you tell me where the {t} {is}?",
    "Can you describe where the {t} {is} located in the {i}?", "Can you show the {t} in this {i}?", "Can you point to the {t}?",
    "Could you tell me the position of the {t}?", "Could you describe the location of the {t} in this {i}?",
    "Could you find the {t} and say where {it_is}?", "Would you show me the {t} in the {i}?", "Do you see {a_t}, and where?",
    "Do you see the {t} in the {i}? Please say where.", "{Is} there {a_t} in this {i}, and where?",
    "{Is} the {t} on the left or on the right?",
    "{Is} the {t} at the top or at the bottom of the {i}?", "{Is} the {t} close to the center or far from it?",
    "{Is} the {t} near the middle of the {i}?", "I am looking for the {t} in this {i}.",
    "I would like to know where the {t} {is}.",
    "I need the location of the {t}.", "I want to know the position of the {t} in this {i}.", "Help me find the {t}.",
    "Help me to locate the {t} in the {i}.", "Look at this {i}: where {is} the {t}?",
    "Look at the {i} and describe where the {t} {lies}.",
    "Given this {i}, where {is} the {t}?", "On this {i}, where {is} the {t}?", "As a doctor, where do you see the {t}?",
    "This {i} shows {a_t}. Where?", "Position of the {t}?", "Location of the {t} in this {i}?", "{t}: where?",
    "The {t}, where {is} {it}?", "How would you describe the position of the {t}?",
    "How far from the center {is} the {t}, and where?",
    "Explain where the {t} {is} in the {i}.", "Please explain the location of the {t}.",
    "Tell the radiologist where the {t} {is}.",
    "Where should one look for the {t}?", "To which side {lies} the {t}?", "What part of the {i} {is} covered by the {t}?",
)  # fmt: skip

# ---- answers ----

# Plain forms, whose {place} is the phrase of an official label ("top left and near the center") or one with synonyms.
PLAIN = (
    "The {t} {is} in the {place}.", "The {t} {is} at the {place}.", "The {t} {is} located at the {place}.",
    "The {t} {is} located in the {place} of the {i}.", "The {t} {is} marked in position {place}.",
    "The {t} {lies} in the {place}.",
    "The {t} {is} seen at the {place} of the {i}.", "The {t} {is} visible in the {place} of this {i}.",
    "The position is {place}.",
    "The position of the {t} is {place}.", "The location of the {t} is {place}.", "Position of the {t}: {place}.",
    "In this {i}, the {t} {is} in the {place}.", "This {i} shows the {t} at the {place}.",
    "The {i} shows the {t} in the {place}.",
    "I see the {t} at the {place}.", "I can see the {t} in the {place} of the {i}.", "You can see the {t} at the {place}.",
    "The {t} {is} found at the {place}.", "The {t} can be found in the {place} of the {i}.",
    "The {t} {is} situated at the {place}.",
    "At the {place} of the {i} {is} the {t}.", "{It_is} at the {place}.", "{It_is} in the {place} of the {i}.",
    "Here the {t} {is} at the {place}.", "The {t} {is} placed {place}.", "The marked {t} {is} in the {place}.",
)  # fmt: skip
SYNONYMS = (  # what replaces the official words in a plain form
    (),
    (("center", "centre"),),
    (("top", "upper"), ("bottom", "lower"), ("center", "middle")),
    (("top", "upper"), ("bottom", "lower")),
    (("top", "superior"), ("bottom", "inferior"), ("center", "centre")),
)
POINTS = (  # {offset} is one point, or several joined by "and": "0.3 right, 0.2 down"
    "The {t} {is} {offset}.", "The {t} {is} at {offset}.", "{It_is} {offset} of the center.", "Position of the {t}: {offset}.",
    "The {t} {lies} {offset} of the center of the {i}.", "From the center of the {i}, the {t} {is} {offset}.",
)  # fmt: skip
ABSENT = (
    "No {t} {is} visible.", "No {t} {is} visible in this {i}.", "There {is} no {t} in the {i}.", "There {is} no {t} here.",
    "I see no {t} in this {i}.", "I cannot see {a_t}.", "The {i} shows no {t}.", "No {t} {is} found in the {i}.", "No {t} seen.",
    "Nothing is marked: this {i} has no {t}.", "Nothing was found.", "The {i} is normal.", "There is nothing to see in this {i}.",
    "No sign of {a_t} in this {i}.", "The {t} {is} absent.", "None.", "No {t}.",
)  # fmt: skip
PLACELESS = (  # say nothing of the place
    "The {i} shows {a_t}.", "There {is} {a_t} in this {i}.", "I can see the {t}.", "Here {is} the {t}.", "Yes, there {is} {a_t}.",
    "The {t} {is} clearly visible.", "The {t} {is} shown in the mask.", "This is {a_t}.", "I have marked the {t}.", "It is here.",
    "The {t} {is} round and bright.", "The {t} has irregular margins.", "Sure, it is segmented.", "I am not sure where {it_is}.",
)  # fmt: skip

# Free forms. The words detected, indicated, highlighted, identified and present, which test pools of data sets use in forms of
# their own, stand here in other forms only.
WIDE = (
    "The {t} {is} {seen} {pp}.", "The {t} {is} {pp}.", "The {t} {lies} {pp}.", "The {t} {sits} {pp}.", "{It_is} {pp}.",
    "{It} {lies} {pp}.", "{A_t} {is} {noted} {pp}.", "There {is} {a_t} {pp}.", "There {is} {a_t} {seen} {pp}.",
    "I see {a_t} {pp}.", "I can see {a_t} {pp}.", "We see {a_t} {pp}.", "One can see {a_t} {pp}.", "You will find {it} {pp}.",
    "You'll find the {t} {pp}.", "You can find the {t} {pp}.", "Look {pp}.", "Look for {it} {pp}.", "{Pp}.", "{Pp}", "{Np}.",
    "{Np}", "Location: {np}.", "Position: {np}.", "Position: {pp}.", "{T}: {np}.", "{T} {pp}.", "{T} - {np}", "Answer: {np}.",
    "Answer: {pp}.", "Site: {np}.", "Region: {np}", "{Pp}, there {is} {a_t}.", "{Pp} there {is} {a_t}.",
    "{Pp} you can see the {t}.",
    "{Pp} of the {i}, {a_t} can be seen.", "The {i} {shows} {a_t} {pp}.", "This {i} {shows} {a_t} {pp}.", "{A_t} {pp}.",
    "{A_t} {is} {seen} {pp} of the {i}.", "The {t} {is} {seen} {pp} of the {i}.", "The {t} appears {pp}.",
    "The {t} appears to be {pp}.",
    "The {t} seems to lie {pp}.", "The centre of the {t} is {pp}.", "The {t} {is} centred {pp}.", "The {t} {is} centered {pp}.",
    "The {t} {is} mainly {pp}.", "Most of the {t} {is} {pp}.", "The bulk of the {t} {is} {pp}.", "The {t} occupies the {np}.",
    "The {t} takes up the {np}.", "The {t} is confined to the {np}.", "The mask covers the {np}.", "The marked region is {pp}.",
    "The segmentation is {pp}.", "The outlined {t} {is} {pp}.", "The {t} has been marked {pp}.", "I have outlined the {t} {pp}.",
    "I would say the {t} {is} {pp}.", "I think {it_is} {pp}.", "I believe the {t} {is} {pp}.", "It looks like the {t} {is} {pp}.",
    "Probably {pp}.", "Most likely {pp}.", "{It_is} probably {pp}.", "The {t} {is} most likely {pp}.",
    "As far as I can tell, {it_is} {pp}.",
    "What you are looking for is {pp}.", "The answer is {pp}.", "The position of the {t} is {pp}.",
    "The location of the {t} is the {np}.",
    "Findings: {a_t} {pp}.", "FINDINGS: {A_t} {pp}. IMPRESSION: {T}.", "Impression: {t} {pp}.",
    "Report: {a_t} {is} {noted} {pp}.",
    "Finding: {t}; location: {np}.", "The {t} (see mask) {is} {pp}.", "The {t} can be {found} {pp}.",
    "The {t} may be {found} {pp}.",
    "In this {i} the {t} {is} {pp}.", "On the {i} we find {a_t} {pp}.", "In the {i}, {a_t} {is} {noted} {pp}.",
    "The {t} in this {i} {is} {seen} {pp}.", "The {t} shown in the {i} {lies} {pp}.", "The examination reveals {a_t} {pp}.",
    "Seen {pp}.", "Located {pp}.", "Situated {pp}.", "Found {pp}.", "Lies {pp}.", "Somewhere {pp}.", "Yes, {pp}.",
    "Yes. {It_is} {pp}.",
    "Here: {pp}.", "The {t} {is} to be {found} {pp}.", "Please look {pp} to see the {t}.", "The {t} {is} visible, {pp}.",
    "The abnormality is {pp}.", "The suspicious area is {pp}.", "The lesion is {pp}.", "The affected area is {pp}.",
    "The area in question is {pp}.", "The pathological region lies {pp}.", "The object is {pp}.", "The finding is located {pp}.",
    "{A_t} measuring about {size} {lies} {pp}.", "{A_t}, {look}, {is} {seen} {pp}.", "The {t} {is} {look} and {lies} {pp}.",
    "The {t} {is} {look}. {It_is} {pp}.", "The {i} shows {a_t}. {It_is} {seen} {pp}.", "There {is} {a_t}. {It} {lies} {pp}.",
)  # fmt: skip
SLOTS: dict[str, tuple[str, ...]] = {
    "seen": ("seen", "visible", "located", "found", "situated", "apparent", "positioned", "visualised", "visualized",
    "localized", "localised"),
    "noted": ("noted", "seen", "demonstrated", "evident", "observed", "appreciated", "depicted", "identified", "detected",
    "present"),
    "found": ("found", "seen", "observed", "localised", "spotted", "made out"),
    "shows": ("shows", "demonstrates", "reveals", "depicts", "contains", "displays", "exhibits", "has"),
    "sits": ("lies", "sits", "resides", "is", "extends"),
    "size": ("2 cm", "15 mm", "1.2 cm", "3 cm in diameter", "8 mm", "a few millimetres", "10 x 12 mm"),
    "look": ("round", "irregular", "bright", "dark", "small", "large", "well defined", "ill-defined", "oval", "raised", "subtle",
    "lobulated",
             "heterogeneous", "dense"),
}  # fmt: skip
OPENERS = ("", "", "", "", "", "", "", "", "Sure. ", "Certainly: ", "Yes, ", "Based on the {i}, ", "According to the mask, ",
           "Well, ",
           "In my opinion, ", "Looking at the {i}, ", "To answer your question: ", "As seen here, ", "OK, ",
           "Overall, ")  # fmt: skip
TAILS = ("", "", "", "", "", "", "", "", "", " The rest of the {i} is unremarkable.", " No other lesion is seen.",
         " It is {look}.",
         " Its margins are {look}.", " Please correlate clinically.", " It measures about {size}.", " Follow-up is recommended.",
         " The borders are not sharp.", " Nothing else is visible.", " Hope this helps!", " There is no other {t}.")  # fmt: skip

# ---- words for places ----

UP = ("top", "upper", "top", "upper", "superior", "cranial", "uppermost", "topmost", "higher")
DOWN = ("bottom", "lower", "bottom", "lower", "inferior", "caudal", "lowermost", "bottommost")
PARTS = (
    "",
    "",
    "corner",
    "quadrant",
    "quadrant",
    "region",
    "part",
    "area",
    "portion",
    "section",
    "zone",
    "side",
    "sector",
    "quarter",
    "third",
)
PREPOSITIONS = (
    "in the",
    "in the",
    "in the",
    "at the",
    "within the",
    "towards the",
    "on the",
    "toward the",
    "around the",
    "inside the",
)
OF_IMAGE = (
    "",
    "",
    "",
    "",
    " of the image",
    " of the picture",
    " of the {i}",
    " of this {i}",
    " of the frame",
    " of the scan",
    " of the field",
)
CENTRE_WORDS = (
    "center",
    "centre",
    "middle",
    "midpoint",
    "central part",
    "central area",
    "central region",
    "image center",
    "image centre",
)
AT_CENTRE = (
    "in the {c}", "at the {c}", "right in the {c}", "in the very {c}", "around the {c}", "roughly in the {c}",
    "exactly at the {c}", "over the {c}",
    "more or less in the {c}", "in the {c} of the image", "at the {c} of the {i}", "covering the {c}", "in the dead {c}",
    "about the {c}",
    "close to the {c}", "in the central part of the {i}", "in the central zone", "in the midline, at mid-height",
    "across the {c}",
    "halfway across and halfway down", "neither left nor right but in the {c}",
)  # fmt: skip
CENTRALLY = (
    "central",
    "centrally located",
    "centrally",
    "centred",
    "centered",
    "centrally placed",
    "in a central position",
    "midway",
)
NEAR = ("near", "close to", "near to", "not far from", "next to", "adjacent to", "fairly close to", "very near", "just off",
        "a little off",
        "a short way from", "quite near", "at a small distance from")  # fmt: skip
FAR = ("far from", "away from", "well away from", "distant from", "remote from", "not close to", "a long way from",
       "at a distance from",
       "far away from", "not near", "quite far from")  # fmt: skip
PERIPHERAL = ("near the edge", "close to the edge", "at the periphery", "peripherally", "close to the border", "near the margin",
              "at the rim",
              "in the periphery", "near the corner", "close to the corner", "towards the edge")  # fmt: skip
COMPASS = (
    "east",
    "south-east",
    "south",
    "south-west",
    "west",
    "north-west",
    "north",
    "north-east",
)  # in steps of 45 degrees from x, downwards
COMPASS_FORMS = (
    "in the {d}", "to the {d}", "in the {d}ern part", "{d} of the center", "{d} of the centre", "to the {d} of the middle",
    "in the {d} corner",
    "in the {d}ern region", "towards the {d}", "in the {D} of the {i}", "in the {d}ern part of the image", "on the {d} side",
    "{d}",
)  # fmt: skip
CLOCK_FORMS = (
    "at {n} o'clock", "at the {n} o'clock position", "around {n} o'clock", "at about {n} o'clock", "in the {n} o'clock direction",
    "at {n} o'clock from the center", "towards {n} o'clock", "near {n} o'clock", "in the {n} o'clock position",
    "at {n} o'clock as seen from the image centre", "on a clock face, at {n}", "at the {n}-o'clock position",
)  # fmt: skip
HOURS = ("twelve", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven")
# Coordinates along one axis, from its four ends: {n} is the percentage from that end with its unit, {f} the same as a fraction.
PERCENT_FROM = {
    "left": ("{n} from the left", "{n} from the left edge", "{n} across", "{n} of the way across", "{n} of the width", "x = {f}",
    "x={f}", "x {f}",
             "{n} in from the left-hand side", "{n} to the right of the left border"),
    "right": ("{n} from the right", "{n} from the right edge", "{n} in from the right", "{n} from the right-hand border"),
    "top": ("{n} from the top", "{n} from the top edge", "{n} down", "{n} of the way down", "{n} of the height", "y = {f}",
    "y={f}", "y {f}",
            "{n} below the upper edge", "{n} down from the top"),
    "bottom": ("{n} from the bottom", "{n} from the bottom edge", "{n} up", "{n} up from the bottom", "{n} above the lower edge"),
}  # fmt: skip
UNITS = ("%", "%", " %", " percent", " per cent")
FRACTIONS = {25: "a quarter", 50: "half", 75: "three quarters", 33: "a third", 67: "two thirds", 10: "a tenth", 20: "a fifth"}
ROUGHLY = ("", "", "", "about ", "roughly ", "approximately ", "at about ", "at ", "around ", "some ")
OFFSET_FORMS = (  # {u} left or right by {x}, {v} up or down by {y}, in half-sides from the centre
    "{x} {u}, {y} {v}", "{x} {u} and {y} {v}", "{x} to the {u} and {y} {v} of the center", "{x} {u}, {y} {v} of the centre",
    "{x} {u} of the center and {y} {v}", "{y} {v} and {x} to the {u}",
)  # fmt: skip
GRID_NAMES = {  # 3 x 3 cells of the image, column and row of -1, 0, 1
    (-1, -1): ("in the upper left third", "high on the left", "at the top left", "at the top, on the left",
    "up in the left corner"),
    (0, -1): ("at the top center", "in the upper middle", "in the middle of the top", "at the top, in the middle",
    "high up in the midline",
              "near the top, midway between left and right", "centrally at the top", "directly above the center",
              "in the top centre",
              "in the upper central part", "above the middle", "straight up from the centre", "in the upper third, centrally"),
    (1, -1): ("in the upper right third", "high on the right", "at the top right", "at the top, on the right",
    "up in the right corner"),
    (-1, 0): ("in the middle left", "on the left at mid-height", "halfway down on the left", "to the left of the center",
    "left of centre",
              "in the left middle", "directly left of the center", "on the left side, neither high nor low", "centre left",
              "in the mid left part",
              "on the left, at the level of the centre", "left of the midline at mid-level", "at the middle of the left side"),
    (0, 0): ("in the middle", "in the center", "in the middle third", "dead center", "in the central square", "at the centre"),
    (1, 0): ("in the middle right", "on the right at mid-height", "halfway down on the right", "to the right of the center",
    "right of centre",
             "in the right middle", "directly right of the center", "on the right side, neither high nor low", "centre right",
             "in the mid right part", "on the right, at the level of the centre", "right of the midline at mid-level",
             "at the middle of the right side"),
    (-1, 1): ("in the lower left third", "low on the left", "at the bottom left", "at the bottom, on the left",
    "down in the left corner"),
    (0, 1): ("at the bottom center", "in the lower middle", "in the middle of the bottom", "at the bottom, in the middle",
    "low in the midline",
             "near the bottom, midway between left and right", "centrally at the bottom", "directly below the center",
             "in the bottom centre",
             "in the lower central part", "below the middle", "straight down from the centre", "in the lower third, centrally"),
    (1, 1): ("in the lower right third", "low on the right", "at the bottom right", "at the bottom, on the right",
    "down in the right corner"),
}  # fmt: skip
HALF_FORMS = ("in the {h} half", "on the {h} side", "in the {h} half of the image", "on the {h}", "in the {h} part",
              "towards the {h}", "{h} half",
              "in the {h}-hand half", "somewhere on the {h}")  # fmt: skip
VERTICAL_HALF_FORMS = ("in the {v} half", "in the {v} part", "in the {v} half of the image", "at the {v}", "towards the {v}",
                       "{v} half",
                       "in the {v} third", "somewhere in the {v} part of the {i}")  # fmt: skip
EDGE_FORMS = ("along the {e} edge", "at the {e} edge", "hugging the {e} border", "touching the {e} margin", "at the extreme {e}",
              "at the far {e}",
              "against the {e} edge of the image", "by the {e} border", "right at the {e} edge")  # fmt: skip
RELATIVE_FORMS = (  # {v} above or below, {h} left or right
    "{v} and to the {h} of the {c}", "{v} and {h} of the {c}", "to the {h} of and {v} the {c}", "{h} of the {c} and {v} it",
    "{h} of and {v} the {c}",
    "{v} the {c}, on the {h}", "{v} the {c} and towards the {h}", "slightly {v} and to the {h} of the {c}",
    "{v} the horizontal midline and {h} of the vertical midline", "{up} and to the {h}", "to the {h} and {up}",
    "{up} and {h} from the {c}",
)  # fmt: skip
ANATOMY: dict[str, tuple[tuple[str, ...], tuple[str, ...], tuple[str, ...]]] = {  # setting: forms, words for up, words for down
    "brain": (
        ("in the {v} part of the {h} hemisphere", "in the {h} {v} region", "in the {h} {v} lobe", "in the {h} hemisphere, {v}ly",
         "in the {v} aspect of the {h} hemisphere"),
        ("frontal", "anterior", "frontal"), ("posterior", "occipital", "posterior"),
    ),
    "lung": (
        ("in the {v} lobe of the {h} lung", "in the {h} {v} lobe", "in the {v} zone of the {h} lung", "in the {h} {v} zone",
         "in the {v} field of the {h} lung", "in the {v} part of the {h} lung", "in the {h} {v} lung",
         "in the {h} {v} lung field"),
        ("upper", "upper", "apical", "superior"), ("lower", "lower", "basal", "inferior"),
    ),
    "breast": (
        ("in the {v} tissue on the {h}", "{v}ly on the {h}", "on the {h}, in the {v} layer", "in the {v} part on the {h} side"),
        ("superficial",), ("deep",),
    ),
    "endoscopy": (
        ("on the {v} {h} wall", "on the {v} wall of the lumen, to the {h}", "on the {v} {h} fold", "at the {v} {h} of the lumen"),
        ("upper", "top"), ("lower", "bottom"),
    ),
    "lungs": (
        ("in the {h} hemithorax, {v} part", "in the {v} part of the {h} hemithorax"),
        ("upper",), ("lower",),
    ),
}  # fmt: skip
SLIGHTLY = ("slightly", "just", "a little", "a bit", "somewhat", "a short distance", "marginally")
WELL = ("well", "far", "clearly", "a long way", "considerably", "some way")
DEGREE_FORMS = (  # {d} is a degree with a direction, such as "slightly above" or "well to the left of"
    "{d} the {c}", "{d} the {c} of the image", "{d} the {c} of the {i}", "{d} the image's {c}", "{d} the midpoint of the {i}",
)  # fmt: skip
SHIFTED_FORMS = ("off-center to the {e}", "off-centre towards the {e}", "near the {c}, towards the {e}",
                 "close to the {c}, to the {e}",
                 "centred, with a slight shift to the {e}", "from the {c} a little to the {e}",
                 "just {e} of the {c}")  # fmt: skip
HALFWAY_FORMS = ("halfway between the {c} and the {e} edge", "midway between the {c} and the {e} border",
                 "between the {c} and the {e} side",
                 "half way from the {c} to the {e} edge")  # fmt: skip
EXTENDS_FORMS = ("extending from the {c} towards the {e}", "from the {c} to the {e}", "between the {c} and the {e} corner",
                 "starting at the {c} and reaching into the {e}")  # fmt: skip
PATH_FORMS = (
    "if you start at the {c} and go {way}",
    "{way} from the {c}",
    "{way} from the middle of the picture",
    "on moving {way} from the {c}",
)
CORNER_FORMS = ("in the extreme {e} corner", "far out in the {e} corner", "deep in the {e} corner", "tucked into the {e} corner",
                "right in the {e} corner", "at the very edge of the {e} corner", "in the outermost {e} part")  # fmt: skip
SECOND_COORDINATE = {  # of a lesion at an edge: where along it
    "left": (", on the left", ", to the left", " on the left-hand side", ", left of the middle"),
    "right": (", on the right", ", to the right", " on the right-hand side", ", right of the middle"),
    "top": (", in the upper part", ", above the middle", ", high up", ", towards the top"),
    "bottom": (", in the lower part", ", below the middle", ", low down", ", towards the bottom"),
    "across": (", in the middle", ", centrally", ", in the midline", ", horizontally centred", ", midway across"),
    "down": (", at mid-height", ", halfway down", ", vertically centred", ", in the middle", ", at the level of the center"),
}  # fmt: skip
CLOSER_FORMS = ("closer to the {near} than to the {far}, on the {other} side",
                "nearer to the {near} edge than to the {far} one, on the {other}",
                "nearer the {near} than the {far}, at the {other}")  # fmt: skip
CONTRASTS = ("not {wrong} but {pp}", "not {wrong}, rather {pp}", "{pp}, not {wrong}", "{pp} rather than {wrong}",
             "{pp} and not {wrong}",
             "{pp} instead of {wrong}")  # fmt: skip
DISTANCE_NOTES = {True: (". Distance to the center: small", ", distance from the centre small", "; close to center"),
                  False: (". Distance to the center: large", ", distance from the centre large",
                  "; far from center")}  # fmt: skip
BOTH_SIDES = ("on both sides", "bilaterally", "on the left and on the right", "on either side of the midline",
              "to the left and right of the center",
              "on both sides of the mediastinum", "in the left and the right half", "in both halves of the image",
              "in both lungs")  # fmt: skip
FILLING = ("filling most of the image", "covering nearly the whole {i}", "over almost the entire frame", "across most of the {i}",
           "in nearly the whole field of view", "everywhere in the {i}")  # fmt: skip
BOTH_SIDES_AT = ("bilaterally in the {v} part", "on both sides, in the {v} zones", "in the {v} part of both lungs",
                 "in both {v} zones",
                 "on the left and the right, in the {v} half", "bilateral, {v} zones",
                 "in the {v} left and {v} right")  # fmt: skip
STACKED_AT = ("on the {h}, both above and below the center", "along the {h} side, high and low", "in the upper and lower {h}",
              "one above the other on the {h}")  # fmt: skip
BY_SIZE = ("a larger one {a} and a smaller one {b}", "the larger {a}, the smaller {b}", "mainly {a}, and a smaller part {b}",
           "a big one {a} and a small one {b}")  # fmt: skip
ALL_IN = ("all {a}", "both {a}", "close together {a}", "in a cluster {a}", "side by side {a}")
COUNT_WORDS = ("", "one", "two", "three", "four", "five", "six")
SEVERAL_OPENERS = (
    "There are {n} {ts}: ",
    "{N} {ts}: ",
    "I see {n} {ts}, ",
    "The {i} shows {n} {ts}, ",
    "{N} {ts} are visible, ",
    "{N} foci: ",
    "",
)
JOINERS = (" and ", ", and ", "; ", " as well as ", " and another ", ", another ", " and a second one ", ", the other ", " plus ")
