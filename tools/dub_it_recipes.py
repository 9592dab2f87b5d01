"""The example workflows of Dub It, which dubs by ComfyUI's own LTX-2: what each says, its nodes, where they stand."""

from __future__ import annotations

from dub_it_steps import DISTILLED, LTX_2, LTX_2_3, dub_it, every_step, lora, models, upscaler, video
from workflow_format import Link, Recipe
from workflow_layout import FINISH, LOAD, PREPARE, SAMPLE, Bend, Column, Group, Layout
from workflow_recipes import FILES, LANES, corner
from workflow_steps import dub, released, save

APP = (("video", "file"), ("it", "dialogue"), ("it", "language"), ("it", "speaker"), ("it", "seed"))
UNTRIED = "**Untried on the real weights**, which nobody here could run."


def whole_layout(note: float, files: tuple[str, ...]) -> Layout:
    """A note and the footage, the model's files, Dub It, Save Video, from left to right."""
    return Layout(
        (
            Group("1  Load the footage", LOAD, (Column(0, note + 110, ("video",)),)),
            Group(
                "2  Load the model",
                LOAD,
                (
                    Column(410, 124, ("checkpoint",)),
                    Column(790, 124, ("lora", "encoder", *files), gap=40),
                ),
            ),
            Group("3  Dub", SAMPLE, (Column(1220, 124, ("it",), 400),)),
            Group("4  Save", FINISH, (Column(1710, 124, ("save",), 400),)),
        ),
        note=(0, 0, 320, note),
        bends=(
            Bend("sound", 0, (("it", "audio_vae"),), ((1154, 400),)),
            *(
                Bend("upscaler", 0, (("it", "upscale_model"),), ((1164, 690), (1186, 400)))
                for name in files
                if name == "upscaler"
            ),
            Bend("video", 0, (("it", "video"),), (*corner(352, LANES[0]), (1160, LANES[0]))),
            Bend("checkpoint", 2, (("it", "vae"),), ((750, 462), (800, 492), (1070, 490), (1112, 466))),
        ),
    )


EVERY_STEP = Layout(
    (
        Group("1  Load", LOAD, (Column(0, 120, ("checkpoint", "encoder", "sound", "video"), 250),)),
        Group(
            "2  LoRAs, old sound",
            LOAD,
            (Column(320, 120, ("lora", "distilled", "components"), 225, gap=40),),
        ),
        Group(
            "3  The words",
            PREPARE,
            (Column(620, 230, ("prompt",), 240), Column(900, 230, ("positive", "negative"), 225)),
        ),
        Group(
            "4  The context",
            PREPARE,
            (Column(1220, 120, ("conditioning",), 230), Column(1512, 160, ("isolation",), 226)),
        ),
        Group(
            "5  Sample",
            SAMPLE,
            (
                Column(1800, 120, ("noise", "guider", "euler", "sigmas"), 226),
                Column(2105, 120, ("sampler",), 226),
            ),
        ),
        Group(
            "6  The second stage",
            PREPARE,
            (Column(640, 1100, ("upscaler",), 226), Column(960, 920, ("noise_2", "second"), 236)),
        ),
        Group(
            "7  Sample again",
            SAMPLE,
            (
                Column(1242, 1000, ("guider_2", "euler_2", "sigmas_2"), 226, gap=40),
                Column(1530, 920, ("sampler_2",), 226),
            ),
        ),
        Group("8  Finish", FINISH, (Column(1812, 920, ("decode",), 226), Column(2090, 920, ("save",), 250))),
    ),
    note=(0, 1110, 540, 300),
    bends=(
        Bend("checkpoint", 0, (("distilled", "model"),), ((294, 250),)),
        Bend(
            "encoder",
            0,
            (("positive", "clip"),),
            ((285, 300), (330, 278), (550, 278), (590, 215), (640, 178), (850, 176)),
        ),
        Bend(
            "encoder",
            0,
            (("negative", "clip"),),
            ((285, 300), (330, 278), (550, 278), (590, 215), (640, 178), (850, 176), (880, 320)),
        ),
        Bend("negative", 0, (("conditioning", "negative"),), ((1142, 300),)),
        Bend(
            "checkpoint",
            2,
            (("conditioning", "vae"),),
            ((302, 230), (300, 664), (346, 722), (1110, 716), (1162, 640)),
        ),
        Bend(
            "checkpoint",
            2,
            (("second", "vae"),),
            ((302, 230), (300, 664), (302, 980), (590, 1034), (890, 1054)),
        ),
        Bend(
            "checkpoint",
            2,
            (("decode", "vae"),),
            (
                (302, 230),
                (300, 664),
                (302, 980),
                (590, 1034),
                (610, 1200),
                (660, 1500),
                (1740, 1500),
                (1778, 1300),
            ),
        ),
        Bend(
            "sound",
            0,
            (("conditioning", "audio_vae"),),
            ((284, 552), (290, 676), (340, 730), (1120, 730), (1178, 650)),
        ),
        Bend(
            "sound",
            0,
            (("decode", "audio_vae"),),
            (
                (284, 552),
                (290, 676),
                (290, 1000),
                (570, 1050),
                (596, 1210),
                (650, 1516),
                (1752, 1516),
                (1792, 1310),
            ),
        ),
        Bend("video", 0, (("conditioning", "video"),), ((274, 714), (330, 746), (1130, 746), (1194, 660))),
        Bend("distilled", 0, (("second", "model"),), ((576, 380), (584, 720), (640, 1016), (890, 1036))),
        Bend(
            "conditioning", 1, (("guider", "positive"),), ((1486, 250), (1496, 300), (1540, 326), (1752, 324))
        ),
        Bend(
            "conditioning", 2, (("guider", "negative"),), ((1475, 264), (1483, 316), (1530, 343), (1760, 341))
        ),
        Bend(
            "conditioning",
            3,
            (("sampler", "latent_image"),),
            ((1464, 270), (1470, 700), (1510, 780), (2046, 780), (2090, 500)),
        ),
        Bend(
            "sampler",
            0,
            (("second", "latent"),),
            ((2356, 190), (2352, 780), (2296, 840), (986, 850), (932, 900), (936, 1050)),
        ),
        Bend("euler", 0, (("sampler", "sampler"),), ((2062, 340),)),
        Bend("sigmas", 0, (("sampler", "sigmas"),), ((2076, 430),)),
        Bend("euler_2", 0, (("sampler_2", "sampler"),), ((1490, 1110),)),
        Bend("sigmas_2", 0, (("sampler_2", "sigmas"),), ((1504, 1200),)),
        Bend("second", 3, (("sampler_2", "latent_image"),), ((1242, 1150), (1474, 1148))),
    ),
)

DUB_IT = (
    Recipe(
        "10_dub_it",
        "X-Dub: Dub It",
        "## Dub It\n\n1. Choose a video of one person, and write what shall be said into *dialogue*, in the new "
        "language. Press **Run**.\n2. Picture and sound are made anew by LTX-2, with the person's own voice. "
        "Where nobody speaks the video's own sound stays.\n3. To keep the picture around the face: *Face Crop*, "
        f"connected to `face_track`. Finer: a second stage, as in *11*.\n\n{UNTRIED} The LoRA's page asks you to "
        f"accept its terms. {FILES}",
        (video(), *models(LTX_2), dub_it(LTX_2), save(Link("it"), "video/dub-it")),
        whole_layout(440, ("sound",)),
        app=APP,
    ),
    Recipe(
        "11_dub_it_every_step",
        "X-Dub: Dub It, every step",
        "## Every step\n\n1. Choose a video of one person, and write what shall be said into *Dub It Prompt*. "
        "Press **Run**: it does what *Dub It* does for up to 5 seconds, with all steps as nodes of their "
        "own.\n2. *Dub It Isolation* keeps the old sound from the new picture (Eq. 3 of the paper); switch it "
        "off to see what it does.\n3. Without the second stage: the first sampler straight to *Dub It Decode*. "
        f"To keep the picture around the face: *Face Crop* to `face_track`.\n\n{UNTRIED} The LoRA's page asks you "
        f"to accept its terms. {FILES}",
        (
            video(),
            *models(LTX_2),
            lora("distilled", DISTILLED, "The distilled LoRA"),
            *every_step(LTX_2),
            save(Link("decode"), "video/dub-it"),
        ),
        EVERY_STEP,
    ),
    Recipe(
        "12_dub_it_ltx_2_3",
        "X-Dub: Dub It, LTX-2.3",
        "## Dub It with LTX-2.3\n\n1. Choose a video of one person, and write what shall be said into "
        "*dialogue*. Press **Run**.\n2. The layout is *ltx 2.3*: its LoRA is another, and 8 steps of the "
        "distilled model are enough. The second stage has the same model.\n3. Describe what is seen in *scene* "
        "(with advanced inputs shown); Lightricks tried English, French, Spanish, German and "
        f"Russian.\n\n{UNTRIED} The LoRA's page asks you to accept its terms. {FILES}",
        (
            video(),
            *models(LTX_2_3),
            upscaler(LTX_2_3),
            dub_it(LTX_2_3, upscale_model=Link("upscaler")),
            save(Link("it"), "video/dub-it"),
        ),
        whole_layout(440, ("sound", "upscaler")),
        app=APP,
    ),
    Recipe(
        "13_dub_it_s_sound_x_dub_s_picture",
        "X-Dub: Dub It's sound, X-Dub's picture",
        "## The best of both\n\n1. Choose a video of one person, and write what shall be said into *dialogue*. "
        "Press **Run**.\n2. *Dub It* speaks the line with the person's own voice; its picture is not used.\n3. "
        "*Dub Video* gives the video's own picture lips that speak that sound: everything else of it stays, at "
        f"full size.\n\n{UNTRIED} Files of both models are needed. {FILES}",
        (
            video(),
            *models(LTX_2),
            dub_it(LTX_2),
            *released(),
            dub(Link("video"), Link("it", 1), Link("model"), length="source"),
            save(Link("dub"), "video/dub-it"),
        ),
        Layout(
            (
                Group("1  Load the footage", LOAD, (Column(0, 530, ("video",)),)),
                Group(
                    "2  Load LTX-2",
                    LOAD,
                    (
                        Column(410, 124, ("checkpoint",)),
                        Column(790, 124, ("lora", "encoder", "sound"), gap=40),
                    ),
                ),
                Group("3  The new sound", SAMPLE, (Column(1220, 124, ("it",), 340),)),
                Group(
                    "4  Load X-Dub",
                    LOAD,
                    (
                        Column(410, 760, ("model", "vae", "detector")),
                        Column(790, 1020, ("encoders",)),
                    ),
                ),
                Group(
                    "5  The empty prompt",
                    LOAD,
                    (Column(1220, 1062, ("clip",), 226), Column(1488, 1062, ("prompt",), 226)),
                ),
                Group("6  The new lips", SAMPLE, (Column(1800, 400, ("dub",), 320),)),
                Group("7  Save", FINISH, (Column(2190, 400, ("save",), 270),)),
            ),
            note=(0, 0, 320, 420),
            bends=(
                Bend("video", 0, (("it", "video"),), (*corner(352, LANES[0]), (1160, LANES[0]))),
                Bend(
                    "video",
                    0,
                    (("dub", "video"),),
                    (*corner(352, LANES[0]), (1160, LANES[0]), (1640, LANES[0])),
                ),
                Bend("checkpoint", 2, (("it", "vae"),), ((750, 462), (800, 492), (1070, 490), (1112, 466))),
                Bend("sound", 0, (("it", "audio_vae"),), ((1154, 400),)),
                Bend("model", 0, (("dub", "model"),), ((1160, 920), (1680, 920), (1712, 860))),
                Bend("vae", 0, (("dub", "vae"),), ((1170, 934), (1690, 934), (1728, 870))),
                Bend("encoders", 0, (("dub", "audio_encoders"),), ((1180, 948), (1700, 948), (1744, 880))),
                Bend(
                    "detector",
                    0,
                    (("dub", "face_detector"),),
                    ((760, 1210), (1110, 1210), (1190, 964), (1710, 964), (1760, 890)),
                ),
                Bend("prompt", 0, (("dub", "empty_prompt"),), ((1776, 900),)),
            ),
        ),
        app=APP,
    ),
)
