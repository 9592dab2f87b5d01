"""The example workflows: what each says, its nodes, and where they stand."""

from __future__ import annotations

from dataclasses import replace

from workflow_format import Link, Recipe, Step
from workflow_layout import FINISH, LOAD, PREPARE, SAMPLE, Bend, Column, Group, Layout
from workflow_steps import (
    FEW_STEPS_LORA,
    GUIDANCE,
    MINI,
    dub,
    expert,
    mini_dub,
    released,
    sample,
    save,
    source,
    steps_between,
)

from xdub_core.mini.card import BUILT_IN, load_card

CARD = load_card(BUILT_IN)

FILES = (
    "ComfyUI offers the files that are missing; *workflows/README.md* of the pack says where each belongs."
)
APP = (("video", "file"), ("audio", "audio"), ("dub", "person"), ("dub", "length"), ("dub", "seed"))


LANES = (14, 34)
"""Heights at which the footage's wires pass above the model's files, straight into Dub Video's first two inputs."""


def corner(x: float, y: float) -> tuple[tuple[float, float], ...]:
    """Where a wire that comes from below turns to the right, without swinging beyond `y`."""
    return (x, y + 14), (x + 24, y)


def released_layout(
    note: float,
    footage: tuple[str, ...] = ("video", "audio"),
    bends: tuple[Bend, ...] = (
        Bend("video", 0, (("dub", "video"),), ((1160, LANES[0]),)),
        Bend("audio", 0, (("dub", "audio"),), (*corner(780, LANES[1]), (1150, LANES[1]))),
    ),
) -> Layout:
    """A note, footage, files, Dub Video, Save Video, from left to right; `note`: its height."""
    files = ("model", "vae", "encoders", "detector")
    return Layout(
        (
            Group("1  Load the footage", LOAD, (Column(430, 0, footage),)),
            Group("2  Load the model", LOAD, (Column(840, 124, files),)),
            Group(
                "3  The empty prompt: its text encoder is needed once",
                LOAD,
                (Column(430, 958, ("clip",)), Column(840, 958, ("prompt",))),
            ),
            Group("4  Dub", SAMPLE, (Column(1270, 270, ("dub",), 400),)),
            Group("5  Save", FINISH, (Column(1760, 270, ("save",), 400),)),
        ),
        note=(0, 0, 340, note),
        bends=bends,
    )


def every_step_layout(
    load: tuple[Column, ...], settings: tuple[Group, ...], bends: tuple[Bend, ...], note: float = 260
) -> Layout:
    """All steps from left to right, what the sampler is set by below; wires to the last steps run around them."""
    return Layout(
        (
            Group("1  Load", LOAD, load),
            Group(
                "2  Face and speech",
                PREPARE,
                (
                    Column(320, 140, ("face",), 250),
                    Column(614, 520, ("look", "features"), 236, heights={"look": 200}),
                ),
            ),
            Group("3  Reference", PREPARE, (Column(900, 120, ("reference",), 235),)),
            *settings,
            Group(
                "5  Sample",
                SAMPLE,
                (Column(1230, 560, ("sampler",), 235), Column(1515, 560, ("stitch", "decode"), 225, gap=70)),
            ),
            Group(
                "6  Finish",
                FINISH,
                (
                    Column(1820, 560, ("colors",), 225),
                    Column(2115, 440, ("paste", "save"), 240, heights={"paste": 430}, gap=70),
                ),
            ),
        ),
        note=(1230, 140, 560, note),
        bends=(
            *bends,
            Bend("face", 0, (("paste", "face_track"),), (*corner(585, 46), (2055, 46))),
            Bend("reference", 0, (("stitch", "reference"),), ((1190, 440), (1470, 462))),
            Bend("reference", 0, (("colors", "reference"),), ((1190, 440), (1470, 462), (1775, 462))),
            Bend(
                "reference",
                0,
                (("paste", "reference"),),
                ((1190, 440), (1470, 462), (1775, 462), (2032, 472)),
            ),
            Bend("features", 0, (("reference", "audio_features"),), ((858, 770), (858, 460))),
            Bend(
                "features",
                0,
                (("sampler", "audio_features"),),
                ((858, 770), (858, 460), (896, 394), (1150, 388)),
            ),
            Bend("euler", 0, (("sampler", "sampler"),), ((1194, 1020),)),
            Bend("sigmas", 0, (("sampler", "sigmas"),), ((1210, 1030),)),
            Bend("stitch", 0, (("decode", "samples"),), ((1758, 660), (1728, 696), (1528, 696), (1495, 724))),
            Bend("paste", 0, (("save", "video"),), ((2373, 906), (2345, 938), (2125, 938), (2095, 966))),
        ),
    )


RECIPES = (
    Recipe(
        "1_quick_start_built_in_model",
        "X-Dub: quick start",
        "## Quick start\n\n1. Press **Run**: the small built-in model dubs a drawn head, in a minute or two on a CPU. "
        "No download, no GPU.\n2. Watch the result in *Dub Video*; *Save Video* keeps it in ComfyUI's output folder.\n"
        "3. For real people open *3 released model, simple*: the built-in model knows drawn heads only.",
        (sample(), MINI, mini_dub(), save(Link("dub"))),
        Layout(
            (
                Group("1  Load", LOAD, (Column(430, 0, ("sample", "mini")),)),
                Group("2  Dub", SAMPLE, (Column(840, 0, ("dub",), 400),)),
                Group("3  Save", FINISH, (Column(1330, 0, ("save",), 400),)),
            ),
            note=(0, 0, 340, 330),
        ),
        app=(("sample", "sample"), ("dub", "seed")),
    ),
    Recipe(
        "2_built_in_model_every_step",
        "X-Dub: every step, built-in model",
        "## Every step\n\n1. Press **Run**: it does what *Dub Video* does, with all steps as nodes of their own. No "
        "download, no GPU; a minute or two on a CPU.\n2. Look in anywhere, change a step or put your own node between "
        "two.\n3. All crops of the video are in memory: for more than a few minutes use *Dub Video*.",
        (
            sample(),
            MINI,
            replace(MINI, name="again", title="The same model: it is loaded once"),
            *steps_between(
                Link("again", 0),
                Link("mini", 1),
                Link("mini", 2),
                Link("mini", 3),
                video=Link("sample", 0),
                audio=Link("sample", 1),
                decoder=Link("again", 1),
                crop_size=CARD.crop,
                clip_frames=CARD.clip_frames,
                steps=CARD.steps,
                conditions={"guidance": Link("again", 4)},
            ),
        ),
        every_step_layout(
            (Column(0, 140, ("sample",), 260), Column(0, 610, ("mini",), 260)),
            (
                Group("1  Load the model", LOAD, (Column(580, 1080, ("again",), 270),)),
                Group("4  Settings", SAMPLE, (Column(900, 1010, ("euler", "sigmas"), 235),)),
            ),
            (
                Bend("sample", 0, (("paste", "source"),), (*corner(283, 26), (2075, 26))),
                Bend("mini", 1, (("reference", "vae"),), ((560, 690), (600, 470))),
                Bend("again", 0, (("sampler", "model"),), ((865, 1060), (868, 445), (886, 380), (1150, 376))),
                Bend(
                    "again", 4, (("sampler", "guidance"),), ((878, 1140), (878, 690), (905, 640), (1150, 634))
                ),
                Bend(
                    "again",
                    1,
                    (("decode", "vae"),),
                    ((866, 1362), (900, 1390), (1250, 1390), (1290, 1064), (1490, 1024)),
                ),
                Bend("sample", 1, (("features", "audio"),), ((288, 660),)),
                Bend(
                    "sample",
                    1,
                    (("paste", "audio"),),
                    ((288, 660), (308, 1380), (335, 1412), (1260, 1412), (1310, 1089), (2045, 1045)),
                ),
            ),
        ),
    ),
    Recipe(
        "3_released_model_simple",
        "X-Dub: the released model",
        "## Dub a video\n\n1. Choose a video of one person and a recording of the new speech.\n2. Press **Run**: the "
        "first time it also reads the text encoder, whose file may be deleted after that.\n3. Watch the result in *Dub "
        f"Video*; *Save Video* keeps it.\n\n{FILES}",
        (*source(), *released(), dub(Link("video"), Link("audio"), Link("model")), save(Link("dub"))),
        released_layout(360),
        app=APP,
    ),
    Recipe(
        "4_released_model_every_step",
        "X-Dub: every step",
        "## Every step\n\n1. Choose a video and a recording, and press **Run**: it does what *Dub Video* does, "
        "with all "
        "steps as nodes of their own.\n2. Look in anywhere, change a step or put your own node between two.\n3. All "
        "crops of the video are in memory (3 MB a frame): for more than a few minutes use *Dub Video*.\n\n"
        f"{FILES}",
        (
            *source(),
            *released(),
            GUIDANCE,
            *steps_between(
                Link("model"),
                Link("vae"),
                Link("encoders"),
                Link("detector"),
                video=Link("video"),
                audio=Link("audio"),
                decoder=Link("vae"),
                crop_size=512,
                clip_frames=77,
                steps=30,
                conditions={"guidance": Link("guidance"), "empty_prompt": Link("prompt")},
            ),
        ),
        every_step_layout(
            (Column(0, 140, ("video", "detector", "audio", "vae", "encoders"), 260),),
            (
                Group(
                    "1  Load the model",
                    LOAD,
                    (Column(330, 1250, ("clip",), 230), Column(620, 1080, ("model", "prompt"), 230)),
                ),
                Group(
                    "4  Settings", SAMPLE, (Column(900, 490, ("guidance", "euler", "sigmas"), 235, gap=11),)
                ),
            ),
            (
                Bend("video", 0, (("paste", "source"),), (*corner(283, 26), (2075, 26))),
                Bend("model", 0, (("sampler", "model"),), ((868, 1080), (868, 445), (886, 380), (1150, 376))),
                Bend(
                    "prompt",
                    0,
                    (("sampler", "empty_prompt"),),
                    ((878, 1230), (876, 445), (904, 404), (1150, 400)),
                ),
                Bend(
                    "audio",
                    0,
                    (("paste", "audio"),),
                    ((308, 1394), (335, 1420), (1260, 1420), (1310, 1089), (2045, 1045)),
                ),
                Bend("vae", 0, (("reference", "vae"),), ((560, 690), (600, 470))),
                Bend(
                    "vae",
                    0,
                    (("decode", "vae"),),
                    ((288, 1380), (320, 1407), (1250, 1407), (1290, 1064), (1490, 1024)),
                ),
            ),
        ),
    ),
    Recipe(
        "5_low_vram",
        "X-Dub: low VRAM",
        "## Low VRAM\n\n1. Choose a video of one person and a recording, and press **Run**.\n2. The model is loaded in "
        "fp8 (6.3 GB instead of 12.6), the encoders in half precision; what still does not fit ComfyUI moves to the "
        "RAM.\n3. Where more should stay free, start ComfyUI with `--lowvram` or `--reserve-vram`.\n\n"
        f"{FILES}",
        (
            *source(),
            *released("fp8_e4m3fn", "float16"),
            dub(Link("video"), Link("audio"), Link("model")),
            save(Link("dub")),
        ),
        released_layout(400),
    ),
    Recipe(
        "6_lora_experts",
        "X-Dub: LoRA experts",
        "## LoRA experts\n\n1. Put the files of your experts into `models/loras`, and choose them in the two *Expert* "
        "nodes. The release has none: they are made with this pack's trainer.\n2. The first acts while the mouth's "
        "shape is decided, the second while its texture is.\n3. Choose a video and a recording, and press **Run**.\n\n"
        f"{FILES}",
        (
            *source(),
            *released(),
            expert("lip", Link("model"), "xdub_lip_expert.safetensors"),
            expert("texture", Link("lip"), "xdub_texture_expert.safetensors"),
            dub(Link("video"), Link("audio"), Link("texture")),
            save(Link("dub")),
        ),
        Layout(
            (
                Group("1  Load the footage", LOAD, (Column(0, 430, ("video", "audio")),)),
                Group(
                    "2  Load the model",
                    LOAD,
                    (Column(410, 124, ("model",)), Column(410, 374, ("vae", "encoders", "detector"))),
                ),
                Group(
                    "4  The empty prompt: its text encoder is needed once",
                    LOAD,
                    (Column(0, 1120, ("clip",)), Column(410, 1120, ("prompt",))),
                ),
                Group("3  Experts", PREPARE, (Column(800, 124, ("lip",)), Column(1150, 124, ("texture",)))),
                Group("5  Dub", SAMPLE, (Column(1540, 314, ("dub",), 400),)),
                Group("6  Save", FINISH, (Column(2020, 314, ("save",), 400),)),
            ),
            note=(0, 0, 300, 330),
            bends=(
                Bend("video", 0, (("dub", "video"),), (*corner(332, LANES[0]), (1480, LANES[0]))),
                Bend("audio", 0, (("dub", "audio"),), (*corner(352, LANES[1]), (1470, LANES[1]))),
            ),
        ),
    ),
    Recipe(
        "7_batch_over_a_folder",
        "X-Dub: a folder of videos",
        "## A folder of videos\n\n1. Put pairs of one name, *anna.mp4* and *anna.wav*, into a folder in ComfyUI's "
        "input "
        "folder, and write its name into *Load Folder*. Each result takes its pair's name.\n2. A few pairs: leave "
        "*pair* "
        "at 0 and press **Run**. All are saved when the last is done, and an error before that loses them.\n3. Many "
        "pairs: set *pair* to 1 and *control after generate* to *increment*, and the number beside **Run** to that of "
        f"the pairs. Each is saved when it is done.\n\n{FILES}",
        (
            Step("folder", "XDubLoadFolder", {"folder": "x-dub", "pair": 0}),
            *released(),
            dub(Link("folder", 0), Link("folder", 1), Link("model")),
            save(Link("dub"), Link("folder", 2)),
        ),
        released_layout(
            520,
            ("folder",),
            (
                Bend("folder", 0, (("dub", "video"),), ((1160, LANES[0]),)),
                Bend("folder", 1, (("dub", "audio"),), ((1150, LANES[1]),)),
                Bend(
                    "folder",
                    2,
                    (("save", "filename_prefix"),),
                    ((780, 869), (1160, 869), (1240, 1085), (1680, 1085), (1715, 600)),
                ),
            ),
        ),
        app=(("folder", "folder"), ("folder", "pair"), ("dub", "person"), ("dub", "length")),
    ),
    Recipe(
        "8_two_people",
        "X-Dub: two people",
        "## Two people\n\n1. Press **Run**: two drawn heads get a recording each, and both are heard; a few "
        "minutes on a "
        "CPU.\n2. *People* shows who is in the video; `person` in *Dub Video* and *Voice* says who speaks which "
        "recording. A third person: one more *Voice*, connected to this one.\n3. Each recording begins with the video: "
        "where the other one speaks, it is silent. For real people load the released model as in *3*.",
        (
            sample("two people"),
            MINI,
            Step(
                "people",
                "XDubPeople",
                {"source": Link("sample", 0), "face_detector": Link("mini", 3), "image_fps": 25.0},
            ),
            Step("voice", "XDubVoice", {"audio": Link("sample", 2), "person": "right"}, "The second voice"),
            mini_dub(voices=Link("voice"), person="left"),
            save(Link("dub")),
        ),
        Layout(
            (
                Group("1  Load the footage", LOAD, (Column(0, 510, ("sample",)),)),
                Group("2  Load the model", LOAD, (Column(410, 124, ("mini",)),)),
                Group("3  Who is there", PREPARE, (Column(800, 480, ("people",), heights={"people": 380}),)),
                Group("4  The second voice", PREPARE, (Column(410, 900, ("voice",)),)),
                Group("5  Dub", SAMPLE, (Column(1220, 0, ("dub",), 400),)),
                Group("6  Save", FINISH, (Column(1710, 0, ("save",), 400),)),
            ),
            note=(0, 0, 300, 420),
            bends=(
                Bend("sample", 0, (("dub", "video"),), corner(344, LANES[0])),
                Bend("sample", 1, (("dub", "audio"),), corner(352, LANES[1])),
                Bend("sample", 0, (("people", "source"),), ((370, 440), (750, 440))),
                Bend("voice", 0, (("dub", "voices"),), ((1150, 914),)),
            ),
        ),
        app=(("sample", "sample"), ("dub", "person"), ("voice", "person"), ("dub", "seed")),
    ),
    Recipe(
        "9_few_steps",
        "X-Dub: few steps",
        "## Few steps\n\n**Untried on the real weights: a place to start.**\n\n1. Put a LoRA distilled for "
        "Wan2.2-TI2V-5B into `models/loras` and choose it: FastWan's (Apache-2.0), or Turbo's (**CC BY-NC-SA 4.0**: "
        "not for business).\n2. Choose a video and a recording, and press **Run**: 6 steps of 2 predictions, not 30 "
        "of 3.\n3. Try strengths of 0.3 to 1, 4 to 8 steps, audio scales of 1 to 3. Lips that hardly move: more audio; "
        f"waxy skin: less strength.\n\n{FILES}",
        (
            *source(),
            *released(),
            Step(
                "lora",
                "LoraLoaderModelOnly",
                {"model": Link("model"), "lora_name": FEW_STEPS_LORA, "strength_model": 0.7},
                "The LoRA for few steps",
            ),
            replace(
                GUIDANCE,
                inputs={**GUIDANCE.inputs, "reference_scale": 1.0, "audio_scale": 2.0, "dynamic": False},
            ),
            dub(
                Link("video"),
                Link("audio"),
                Link("lora"),
                steps=6,
                guidance=Link("guidance"),
            ),
            save(Link("dub")),
        ),
        Layout(
            (
                Group("1  Load the footage", LOAD, (Column(0, 480, ("video", "audio")),)),
                Group(
                    "2  Load the model",
                    LOAD,
                    (Column(410, 124, ("model",)), Column(410, 280, ("vae", "encoders", "detector"))),
                ),
                Group(
                    "4  The empty prompt: its text encoder is needed once",
                    LOAD,
                    (Column(0, 1190, ("clip",)), Column(410, 1190, ("prompt",))),
                ),
                Group("3  Few steps", PREPARE, (Column(800, 124, ("lora",)),)),
                Group("5  Guidance", PREPARE, (Column(800, 734, ("guidance",)),)),
                Group("6  Dub", SAMPLE, (Column(1230, 314, ("dub",), 400),)),
                Group("7  Save", FINISH, (Column(1720, 314, ("save",), 400),)),
            ),
            note=(0, 0, 300, 400),
            bends=(
                Bend("video", 0, (("dub", "video"),), (*corner(332, LANES[0]), (1160, LANES[0]))),
                Bend("audio", 0, (("dub", "audio"),), (*corner(352, LANES[1]), (1150, LANES[1]))),
                Bend("prompt", 0, (("dub", "empty_prompt"),), ((790, 1355), (1120, 1355), (1190, 900))),
            ),
        ),
    ),
)

APPS = (replace(RECIPES[0], name=f"{RECIPES[0].name}.app", opens_as_app=True),)
"""The same workflows for those who want no graph: the template browser offers them as apps."""
