"""`python -m xdub_core batch`: rows of a table dubbed one after another, refused before any work, and gone on with."""

import json
import signal

import pytest

from tests.cli.conftest import BOX, write_video
from xdub_core.cli import chosen_model
from xdub_core.cli.batch import run as batch_run
from xdub_core.media.video.reader import VideoReader

QUICK_CELLS = {
    "model": "untrained", "box": BOX, "crop_size": "64", "clip_frames": "13", "steps": "1", "preset": "ultrafast",
}  # fmt: skip


def row(out="a.mp4", **more):
    return {"video": "video.mp4", "audio": "voice.wav", "out": out, **QUICK_CELLS, **more}


def write_json(files, *rows):
    (files / "jobs.json").write_text(json.dumps(rows), encoding="utf-8")
    return files / "jobs.json"


def write_csv(files, *rows, separator=",", encoding="utf-8"):
    columns = list(dict.fromkeys(name for row in rows for name in row))
    lines = [columns, *([row.get(name, "") for name in columns] for row in rows)]
    text = "".join(
        separator.join(f'"{cell}"' if "," in cell else cell for cell in line) + "\r\n" for line in lines
    )
    (files / "jobs.csv").write_text(text, encoding=encoding, newline="")
    return files / "jobs.csv"


def report_of(files):
    return json.loads((files / "jobs.report.json").read_text(encoding="utf-8"))["rows"]


def states(files):
    return [row["state"] for row in report_of(files)]


def frames(path):
    with VideoReader(path) as reader:
        return reader.info.frames


@pytest.fixture
def counted(monkeypatch):
    """The outputs whose dub was begun, in order."""
    begun, real = [], batch_run.run_dub

    def run_dub(job):
        begun.append(job.files.out.name)
        real(job)

    monkeypatch.setattr(batch_run, "run_dub", run_dub)
    return begun


@pytest.fixture
def undubbed(monkeypatch):
    """No work may begin."""
    monkeypatch.setattr(batch_run, "run_dub", lambda job: pytest.fail("the work has begun"))


def errors(outcome):
    return [line for line in outcome.err.splitlines() if line.startswith("error: ")]


def assert_refused(outcome, files, *words, kept=("video.mp4", "voice.wav")):
    """Exit code 2, one line of error that has the words, and nothing left behind but the table."""
    assert outcome.code == 2, outcome.err
    assert "Traceback" not in outcome.err
    (line,) = errors(outcome)
    for word in words:
        assert word in line
    left = {path.name for path in files.iterdir() if not path.name.startswith("jobs.")}
    assert left == set(kept)
    assert not (files / "jobs.report.json").exists()


def test_a_row_is_the_dub_that_the_same_options_make(run, files):
    outcome = run("batch", write_csv(files, row("a.mp4", seed="7", length="source"), row("b.mp4")))
    assert outcome.code == 0, outcome.err
    options = [f"--{name.replace('_', '-')}={text}" for name, text in QUICK_CELLS.items()]
    paths = ("--video", files / "video.mp4", "--audio", files / "voice.wav", "--out", files / "alone.mp4")
    assert run("dub", *paths, *options, "--seed", 7, "--length", "source").code == 0
    assert (files / "a.mp4").read_bytes() == (files / "alone.mp4").read_bytes()
    assert (frames(files / "a.mp4"), frames(files / "b.mp4")) == (20, 30)
    assert states(files) == ["ok", "ok"]
    assert "a.mp4" in outcome.out and "b.mp4" in outcome.out and "jobs.report.json" in outcome.out


@pytest.mark.parametrize("separator", [",", ";", "\t"])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig"])
def test_tables_of_every_separator(run, files, counted, monkeypatch, separator, encoding):
    monkeypatch.setattr(batch_run, "run_dub", lambda job: counted.append((job.files.out.name, job.face.box)))
    run("batch", write_csv(files, row("ä.mp4"), separator=separator, encoding=encoding))
    assert counted == [("ä.mp4", BOX)]


def test_a_json_has_numbers_and_switches(run, files, monkeypatch):
    jobs = []
    monkeypatch.setattr(batch_run, "run_dub", jobs.append)
    cells = row(steps=2, audio_scale=3.5, preview=True, match_colors=False, quality=None)
    run("batch", write_json(files, {name.replace("_", "-"): cell for name, cell in cells.items()}))
    (job,) = jobs
    assert (job.sampling.steps, job.sampling.audio_scale, job.encoding.quality) == (2, 3.5, None)
    assert (job.files.preview, job.sampling.match_colors) == (True, False)


@pytest.mark.parametrize(
    ("text", "chosen"), [("yes", True), ("TRUE", True), ("1", True), ("no", False), ("", None)]
)
def test_switches(run, files, monkeypatch, text, chosen):
    jobs = []
    monkeypatch.setattr(batch_run, "run_dub", jobs.append)
    run("batch", write_csv(files, row(dynamic_guidance=text, whole_frame="0")))
    assert jobs[0].sampling.dynamic_guidance is chosen


def test_a_row_that_fails_does_not_stop_the_others(run, files):
    (files / "broken.mp4").write_bytes(b"\x00\x01garbage" * 500)
    table = write_csv(files, row("a.mp4", video="broken.mp4"), row("b.mp4"))
    outcome = run("batch", table)
    assert outcome.code == 1
    assert len(errors(outcome)) == 1 and "row 1" in errors(outcome)[0] and "broken.mp4" in errors(outcome)[0]
    assert states(files) == ["failed", "ok"]
    assert "broken.mp4" in report_of(files)[0]["error"]
    assert not (files / "a.mp4").exists() and frames(files / "b.mp4") == 30


def test_a_batch_can_stop_at_a_row_that_fails(run, files):
    (files / "broken.mp4").write_bytes(b"\x00\x01garbage" * 500)
    table = write_csv(files, row("a.mp4", video="broken.mp4"), row("b.mp4"))
    assert run("batch", table, "--no-keep-going").code == 1
    assert states(files) == ["failed", "waiting"]


def test_full_memory_in_a_row_is_that_rows_failure(run, files, monkeypatch):
    def model(**options):
        raise MemoryError

    monkeypatch.setattr(chosen_model, "untrained_model", model)
    outcome = run("batch", write_csv(files, row()))
    assert outcome.code == 1
    assert "memory is full" in report_of(files)[0]["error"]


def test_the_same_command_dubs_what_is_not_done(run, files, counted):
    (files / "broken.mp4").write_bytes(b"\x00\x01garbage" * 500)
    table = write_csv(files, row("a.mp4"), row("b.mp4", video="broken.mp4"), row("c.mp4"))
    assert run("batch", table).code == 1
    (files / "broken.mp4").unlink()
    write_video(files / "broken.mp4", frames=9)
    outcome = run("batch", table)
    assert outcome.code == 0, outcome.err
    assert counted == ["a.mp4", "b.mp4", "c.mp4", "b.mp4"]
    assert states(files) == ["ok"] * 3


def test_a_changed_row_input_or_output_is_not_taken_for_done(run, files, monkeypatch):
    jobs = []

    def run_dub(job):
        jobs.append(job.files.out.name)
        job.files.out.write_text(f"dub {len(jobs)}")

    monkeypatch.setattr(batch_run, "run_dub", run_dub)
    write_video(files / "other.mp4", frames=5)
    rows = [row("a.mp4"), row("b.mp4", video="other.mp4"), row("c.mp4"), row("d.mp4")]
    assert run("batch", write_csv(files, *rows)).code == 0
    write_video(files / "other.mp4", frames=6)
    (files / "c.mp4").write_text("another file")
    rows[0]["seed"] = "8"
    outcome = run("batch", write_csv(files, *rows))
    assert outcome.code == 2
    assert [f"row {number} " in line for number, line in zip((1, 2, 3), errors(outcome), strict=True)] == [
        True
    ] * 3
    assert (files / "c.mp4").read_text() == "another file"
    assert run("batch", write_csv(files, *rows), "--overwrite").code == 0
    assert jobs[4:] == ["a.mp4", "b.mp4", "c.mp4"]
    assert run("batch", write_csv(files, *rows), "--overwrite").code == 0
    assert len(jobs) == 7


def test_an_interrupted_batch_keeps_what_is_done_and_goes_on(run, files, monkeypatch):
    table, real = write_csv(files, row("a.mp4"), row("b.mp4"), row("c.mp4")), chosen_model.untrained_model
    calls = []

    def model(**options):
        calls.append(options)
        if len(calls) == 2:
            signal.raise_signal(signal.SIGINT)
        return real(**options)

    monkeypatch.setattr(chosen_model, "untrained_model", model)
    outcome = run("batch", table)
    assert outcome.code == 130
    assert outcome.err.splitlines()[-1].startswith("interrupted; what is done is kept")
    assert states(files) == ["ok", "begun", "waiting"]
    assert sorted(path.name for path in files.glob("*.mp4")) == ["a.mp4", "video.mp4"]
    assert run("batch", table).code == 0
    assert states(files) == ["ok"] * 3
    assert len(calls) == 4


def test_a_row_killed_after_its_output_appeared_is_done(run, files, counted):
    table = write_csv(files, row())
    assert run("batch", table).code == 0
    report = json.loads((files / "jobs.report.json").read_text())
    report["rows"][0] |= {"state": "begun", "outputs": [], "seconds": None}
    (files / "jobs.report.json").write_text(json.dumps(report))
    assert run("batch", table).code == 0
    assert counted == ["a.mp4"]
    assert states(files) == ["ok"]


@pytest.mark.parametrize(
    ("cells", "words"),
    [
        ({"steps": "x"}, ("column steps", "'x'", "integer")),
        ({"steps": "0"}, ("column steps", "1 to 10000")),
        ({"seed": "99999999999999999999"}, ("column seed",)),
        ({"length": "long"}, ("column length", "shortest")),
        ({"preview": "maybe"}, ("column preview", "yes or no")),
        ({"box": "16,8,80"}, ("column box", "four numbers")),
        ({"whole_frame": "yes"}, ("box, whole_frame", "contradict")),
        ({"codec": "ffv1"}, ("column codec", ".mkv")),
        ({"quality": "99"}, ("column quality",)),
        ({"device": "quantum"}, ("column device",)),
        ({"model": "typo.safetensors"}, ("column model", "typo.safetensors")),
        ({"video": ""}, ("column video", "empty")),
        ({"video": "none.mp4"}, ("column video", "none.mp4", "no such file")),
        ({"video": "frames/%04d.png"}, ("column video", "frames")),
        ({"audio": "."}, ("column audio", "folder")),
        ({"audio": "a\0b.wav"}, ("column audio", "null")),
        ({"audio_offset": "nan"}, ("column audio_offset",)),
        ({"audio": "a" * 400}, ("column audio", "too long")),
        ({"box": "", "boxes": "none.json"}, ("column boxes", "no such file")),
        ({"out": "a.mp4"}, ("column out", "row 1 (line 2)")),
        ({"out": "./x/../a.mp4"}, ("column out", "row 1 (line 2)")),
        ({"out": "voice.wav"}, ("column out", ".wav")),
        ({"out": "video.mp4", "overwrite": "yes"}, ("column out", "input")),
        ({"out": "nowhere/b.mp4"}, ("column out", "folder")),
    ],
)  # fmt: skip
def test_a_wrong_row_is_told_by_row_and_column_before_any_work(run, files, undubbed, cells, words):
    if cells.get("out") == "./x/../a.mp4":
        (files / "x").mkdir()
    outcome = run(
        "batch", write_csv(files, row("a.mp4"), row("b.mp4", **cells) if "out" not in cells else row(**cells))
    )
    if (files / "x").exists():
        (files / "x").rmdir()
    assert_refused(outcome, files, "jobs.csv: row 2 (line 3)", *words)


def test_a_json_row_that_is_not_understood_is_told_once(run, files, undubbed):
    outcome = run("batch", write_json(files, row(box=[16, 8, 80, 72])))
    assert_refused(outcome, files, "row 1, column box", "give a text")


def test_all_mistakes_are_told_at_once(run, files, undubbed):
    outcome = run("batch", write_json(files, row(steps="x", stepz=1), {"video": "video.mp4"}, 3))
    assert outcome.code == 2
    told = "\n".join(errors(outcome))
    for words in (
        "row 1, column steps",
        "row 1, column stepz",
        "row 2, column audio",
        "row 2, column out",
        "row 3:",
    ):
        assert words in told
    assert "did you mean steps?" in told


def test_an_output_that_is_there_is_kept_unless_the_row_or_the_command_says_so(run, files, counted):
    (files / "a.mp4").write_text("precious")
    kept = ("a.mp4", "video.mp4", "voice.wav")
    assert_refused(
        run("batch", write_csv(files, row())), files, "row 1", "column out", "there already", kept=kept
    )
    outcome = run("batch", write_csv(files, row(overwrite="no")), "--overwrite")
    assert_refused(outcome, files, "column out", "there already", kept=kept)
    assert (files / "a.mp4").read_text() == "precious"
    assert run("batch", write_csv(files, row(overwrite="yes"))).code == 0
    assert counted == ["a.mp4"]


def test_no_row_writes_what_another_row_reads_or_its_preview(run, files, undubbed):
    write_video(files / "b.mp4", frames=5)
    kept = ("b.mp4", "video.mp4", "voice.wav")
    rows = row("b.mp4", overwrite="yes"), row("c.mp4", video="b.mp4")
    assert_refused(run("batch", write_csv(files, *rows)), files, "row 2", "column video", "row 1", kept=kept)
    rows = row("a.mp4", preview="yes"), row("a.preview.mp4")
    assert_refused(run("batch", write_csv(files, *rows)), files, "row 2", "column out", "row 1", kept=kept)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", ("no row",)),
        ("video,audio,out\n", ("no row",)),
        ("video,audio\nvideo.mp4,voice.wav\n", ("header (line 1), column out", "missing")),
        ("video,audio,out,stepz\nvideo.mp4,voice.wav,a.mp4,1\n", ("header (line 1), column stepz", "steps")),
        ("video,audio,out,seed,Seed\nvideo.mp4,voice.wav,a.mp4,1,2\n", ("column seed", "two columns")),
        ("video,audio,out,model,box\nvideo.mp4,voice.wav,a.mp4,untrained,1,2,9,9\n", ("row 1 (line 2)", "quotes")),
        ('video,audio,out\nvideo.mp4,voice.wav,"a.mp4\n', ("not a table",)),
    ],
)  # fmt: skip
def test_a_table_that_is_wrong_as_a_whole(run, files, undubbed, text, words):
    (files / "jobs.csv").write_text(text, encoding="utf-8")
    assert_refused(run("batch", files / "jobs.csv"), files, "jobs.csv", *words)


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        ("jobs.csv", "video,audio,out\n".encode("utf-16"), "UTF-8"),
        ("jobs.json", b"[{", "not JSON"),
        ("jobs.json", b'{"video": "a.mp4"}', "list of objects"),
        ("jobs.json", b"[]", "no row"),
        ("jobs.json", b"[" * 100000, "not JSON"),
        ("jobs.xlsx", b"PK", ".csv or a .json"),
        ("jobs.csv", None, "cannot be read"),
    ],
)
def test_a_file_that_is_no_manifest(run, files, undubbed, name, content, words):
    if content is not None:
        (files / name).write_bytes(content)
    assert_refused(run("batch", files / name), files, name, words)


def test_a_report_that_is_something_else_is_kept(run, files, undubbed):
    table = write_csv(files, row())
    (files / "notes.json").write_text("[]")
    outcome = run("batch", table, "--report", files / "notes.json")
    assert_refused(outcome, files, "notes.json", "--report", kept=("notes.json", "video.mp4", "voice.wav"))
    assert (files / "notes.json").read_text() == "[]"
    assert "a report is a .json file" in run("batch", table, "--report", files / "voice.wav").err
    assert "cannot be written" in run("batch", table, "--report", files / "nowhere" / "r.json").err


def test_help_names_what_a_table_holds(run):
    told = " ".join(run("batch", "--help").out.replace("│", " ").split())
    for word in ("video, audio, out", "semicolons", "--report", "--no-keep-going", "Exit code 1"):
        assert word in told


@pytest.mark.parametrize("name", ["", ".", "/"])
def test_a_manifest_without_a_name_is_told(run, name):
    outcome = run("batch", name)
    assert outcome.code == 2
    assert "a manifest is a .csv or a .json file" in outcome.err
