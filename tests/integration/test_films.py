"""Films read and written: times, turns, sound, subtitles; and films that are none."""

from __future__ import annotations

import io
import os
import queue
import signal
import subprocess
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

from mtcnn.cli.main import main
from mtcnn.errors import MtcnnError
from mtcnn.pipeline import film_writer
from mtcnn.pipeline.film import Film
from mtcnn.pipeline.film_writer import FilmWriter
from mtcnn.pipeline.video import _put_newest
from tests.support.command import command, environment, lines, mtcnn
from tests.support.films import empty_film, make_film, packets, picture_times, pictures_of

pytest.importorskip("av")

UNEVEN = [0.0, 0.04, 0.05, 0.3, 0.301, 0.9, 1.0, 2.5]


pytestmark = pytest.mark.slow


@pytest.fixture(scope="module", autouse=True)
def engines_are_there(engines: dict[str, Path]) -> None:
    pass


@pytest.fixture
def pictures(astronaut: np.ndarray) -> list[np.ndarray]:
    return [np.ascontiguousarray(astronaut[i : i + 240, 96:352]) for i in range(8)]


def ran(capfd: pytest.CaptureFixture[str], *arguments: object) -> tuple[int, str, str]:
    """The command in this process, which is quicker: its code, and what it printed."""
    try:
        code = main([*map(str, arguments)])
    except SystemExit as error:
        code = int(error.code or 0)
    return code, *capfd.readouterr()


def copied(film: Film, path: Path, **options: object) -> FilmWriter:
    writer = FilmWriter(path, film, **options)  # type: ignore[arg-type]
    while (frame := film.read()) is not None:
        writer.write(frame.img, frame)
    writer.write_rest(film.rest())
    film.close()
    writer.finish(whole=True)
    return writer


class TestTimes:
    @pytest.mark.parametrize("ending", [".mp4", ".mkv", ".mov", ".webm"])
    def test_uneven_ones_stay(self, tmp_path: Path, pictures: list[np.ndarray], ending: str) -> None:
        film = make_film(tmp_path / "in.mkv", pictures, UNEVEN)
        copied(Film(str(film)), tmp_path / f"out{ending}")
        assert picture_times(tmp_path / f"out{ending}") == UNEVEN

    def test_in_json(self, tmp_path: Path, pictures: list[np.ndarray]) -> None:
        film = make_film(tmp_path / "in.mp4", pictures, UNEVEN)
        said = lines(mtcnn("video", film, "--json", "--minsize", 60).stdout)
        assert [one["seconds"] for one in said] == UNEVEN
        assert [one["frame"] for one in said] == list(range(8))

    @pytest.mark.parametrize("ending", [".mp4", ".mkv"])
    def test_a_part(self, tmp_path: Path, pictures: list[np.ndarray], ending: str) -> None:
        film = make_film(tmp_path / f"in{ending}", pictures, UNEVEN, sound=True)
        out = tmp_path / "out.mp4"
        arguments = ("--start", "0:00.3", "--end", 1, "--every", 2, "--json", "--output", out, "--minsize", 60)
        said = lines(mtcnn("video", film, *arguments).stdout)
        assert [(one["frame"], one["seconds"]) for one in said] == [(3, 0.3), (5, 0.9)]
        assert picture_times(out) == [0, 0.001, 0.6]
        heard, all_heard = packets(out, "audio"), packets(film, "audio")
        assert 25 <= len(heard) <= 35  # 0.7 s of 47 a second
        assert heard[0][0] < 0.03 and heard[0][1] in [data for _, data in all_heard]

    @pytest.mark.parametrize("ending", [".mkv", ".ts"])
    def test_pictures_far_apart(self, tmp_path: Path, pictures: list[np.ndarray], ending: str) -> None:
        """Some of them close together."""
        times = [0, 1, 1.5, 20, 21, 21.5, 60, 61]
        film = make_film(tmp_path / f"in{ending}", pictures, times)
        copied(Film(str(film)), tmp_path / "out.mp4")
        assert picture_times(tmp_path / "out.mp4") == times

    def test_a_stumble(self, tmp_path: Path, pictures: list[np.ndarray], capfd: pytest.CaptureFixture[str]) -> None:
        """Two recordings in one file, each so short that the second's times go back by less than a quarter second."""
        part = make_film(tmp_path / "a.ts", pictures, [i / 50 for i in range(8)])
        film = tmp_path / "in.ts"
        film.write_bytes(2 * part.read_bytes())
        for track in ((), ("--track",)):
            code, out, _ = ran(capfd, "video", film, "--json", "--minsize", 60, *track)
            said = lines(out)
            seconds = [one["seconds"] for one in said]
            assert code == 0 and len(said) == 16 and seconds == sorted(seconds)

    def test_a_fast_camera(self, tmp_path: Path, pictures: list[np.ndarray]) -> None:
        times = [i / 500 for i in range(8)]
        film = make_film(tmp_path / "in.mp4", pictures, times, rate=500)
        read = Film(str(film))
        assert abs(read.fps - 500) < 80
        copied(read, tmp_path / "out.avi")
        assert max(abs(a - b) for a, b in zip(picture_times(tmp_path / "out.avi"), times)) < 0.004
        faster = make_film(tmp_path / "faster.mp4", pictures, [i / 1000 for i in range(8)], rate=2000)
        done = mtcnn("video", faster, "--output", tmp_path / "no.avi", code=1)
        assert ".avi holds 1000 pictures a second at most" in done.stderr and not (tmp_path / "no.avi").exists()

    def test_the_part_after_the_end(self, tmp_path: Path, pictures: list[np.ndarray]) -> None:
        film = make_film(tmp_path / "in.mp4", pictures)
        done = mtcnn("video", film, "--start", 100, "--output", tmp_path / "out.mp4", code=1)
        assert "start is 100 s, and the last picture of" in done.stderr and not (tmp_path / "out.mp4").exists()


class TestTurns:
    @pytest.mark.parametrize("degrees", [90, 180, 270])
    def test_pictures_are_upright(self, tmp_path: Path, pictures: list[np.ndarray], degrees: int) -> None:
        stored = make_film(tmp_path / "stored.mp4", pictures)
        turned = make_film(tmp_path / "turned.mp4", pictures, rotation=degrees)
        film, plain = Film(str(turned)), Film(str(stored))
        frame, img = film.read(), plain.read()
        assert frame is not None and img is not None
        np.testing.assert_array_equal(frame.img, np.rot90(img.img, degrees // 90))
        copied(film, tmp_path / "out.mp4")
        again = Film(str(tmp_path / "out.mp4")).read()
        assert again is not None and again.img.shape == frame.img.shape

    @pytest.mark.parametrize(("value", "turns"), [(1, 0), (8, 1), (3, 2), (6, 3)])
    def test_cameras_that_write_exif_data(
        self, tmp_path: Path, pictures: list[np.ndarray], value: int, turns: int
    ) -> None:
        """Into each JPEG of a film: PyAV does not know that kind of data beside a picture."""
        import av

        pillow = pytest.importorskip("PIL.Image")
        exif = pillow.Exif()
        exif[0x0112], exif[0x010F] = value, "a camera"
        plain = make_film(tmp_path / "plain.mkv", pictures, codec="mjpeg", pixels="yuvj420p")
        with av.open(str(plain)) as read, av.open(str(tmp_path / "in.mkv"), "w") as written:
            stream = written.add_stream_from_template(read.streams.video[0])
            for packet in read.demux(read.streams.video[0]):
                if packet.size:
                    jpeg = io.BytesIO()
                    pillow.open(io.BytesIO(bytes(packet))).save(jpeg, "jpeg", exif=exif, quality=95)
                    made = av.Packet(jpeg.getvalue())
                    made.pts, made.dts, made.time_base = packet.pts, packet.dts, packet.time_base
                    made.stream = stream
                    written.mux(made)
        film = Film(str(tmp_path / "in.mkv"))
        frame = film.read()
        assert frame is not None
        film.close()
        expected = np.rot90(pictures[0], turns)
        assert frame.img.shape == expected.shape
        assert np.abs(frame.img.astype(int) - expected).mean() < 6

    def test_pixels_that_are_not_square(self, tmp_path: Path, pictures: list[np.ndarray]) -> None:
        """What is twice as wide as it is stored is twice as high once it stands."""
        for rotation, ratio in ((0, Fraction(2)), (90, Fraction(1, 2)), (180, Fraction(2)), (270, Fraction(1, 2))):
            film = make_film(tmp_path / f"{rotation}.mkv", pictures[:2], rotation=rotation, ratio=Fraction(2))
            copied(Film(str(film)), tmp_path / f"out{rotation}.mp4")
            written = Film(str(tmp_path / f"out{rotation}.mp4"))
            assert written.sample_aspect_ratio == ratio
            written.close()


def policies() -> set[int]:
    threads = Path("/proc/self/task")  # Linux alone has it
    return {os.sched_getscheduler(int(thread.name)) for thread in threads.iterdir()} if threads.is_dir() else set()


class TestStreams:
    @pytest.mark.parametrize(("ending", "subtitles"), [(".mp4", "mov_text"), (".mkv", "subrip")])
    def test_sound_and_subtitles_stay(
        self, tmp_path: Path, pictures: list[np.ndarray], ending: str, subtitles: str
    ) -> None:
        film = make_film(
            tmp_path / f"in{ending}", pictures, UNEVEN, sound=True, subtitles=subtitles, metadata={"title": "A day"}
        )
        out = tmp_path / f"out{ending}"
        mtcnn("video", film, "--output", out, "--minsize", 60)
        for kind in ("audio", "subtitle"):
            assert [data for _, data in packets(out, kind)] == [data for _, data in packets(film, kind)], kind
            times = np.array([[t for t, _ in packets(path, kind)] for path in (film, out)])
            np.testing.assert_allclose(times[0], times[1], atol=0.0011)
        read = Film(str(out))
        assert read.metadata["title"] == "A day"
        read.close()

    @pytest.mark.parametrize(("ending", "subtitles"), [(".mp4", "mov_text"), (".mkv", "subrip"), (".webm", None)])
    def test_languages_and_uses_stay(
        self, tmp_path: Path, pictures: list[np.ndarray], ending: str, subtitles: str | None
    ) -> None:
        """Titles, too, but not of films whose faces are hidden."""
        import av

        ending_in = ".mkv" if ending == ".webm" else ending
        plain = make_film(tmp_path / f"plain{ending_in}", pictures, sound=True, subtitles=subtitles)
        film = tmp_path / f"in{ending_in}"
        kept = av.stream.Disposition.default  # .webm has no other
        uses = av.stream.Disposition.comment | av.stream.Disposition.default
        with av.open(str(plain)) as read, av.open(str(film), "w") as written:
            into = {stream.index: written.add_stream_from_template(stream) for stream in read.streams}
            for stream in written.streams:
                if stream.type != "video":
                    stream.metadata.update({"language": "deu", "title": "Kommentar"})
                    stream.disposition = uses
            for packet in read.demux():
                if packet.size:
                    packet.stream = into[packet.stream.index]
                    written.mux(packet)
        for keeps in (True, False):
            out = tmp_path / f"{keeps}{ending}"
            copied(Film(str(film)), out, keep_metadata=keeps)
            with av.open(str(out)) as read:
                streams = [stream for stream in read.streams if stream.type != "video"]
                assert len(streams) == 1 + (subtitles is not None)
                for stream in streams:
                    assert stream.metadata["language"] in ("deu", "ger") and stream.disposition in (uses, kept)
                    titles = {stream.metadata.get("title"), stream.metadata.get("name")}
                    assert ("Kommentar" in titles) == keeps

    def test_sound_that_webm_does_not_take(self, tmp_path: Path, pictures: list[np.ndarray]) -> None:
        film = make_film(tmp_path / "in.mp4", pictures, UNEVEN, sound=True)
        done = mtcnn("video", film, "--output", tmp_path / "out.webm", "--minsize", 60)
        assert ".webm takes no aac: sound is written as Opus" in done.stderr
        heard = packets(tmp_path / "out.webm", "audio")
        assert abs(heard[-1][0] - packets(film, "audio")[-1][0]) < 0.1

    def test_subtitles_that_mp4_does_not_take(self, tmp_path: Path, pictures: list[np.ndarray]) -> None:
        film = make_film(tmp_path / "in.mkv", pictures, subtitles="subrip")
        done = mtcnn("video", film, "--output", tmp_path / "out.mp4", "--minsize", 60)
        assert ".mp4 takes no subrip: these subtitles are left out" in done.stderr

    def test_codecs(self, tmp_path: Path, pictures: list[np.ndarray], capfd: pytest.CaptureFixture[str]) -> None:
        film = make_film(tmp_path / "in.mp4", pictures)
        scheduling, variables = policies(), dict(os.environ)
        for codec, ending, name in (("hevc", ".mp4", "hevc"), ("av1", ".mkv", "av1"), (None, ".mp4", "h264")):
            out = tmp_path / f"{codec}{ending}"
            copied(Film(str(film)), out, codec=codec)
            written = Film(str(out))
            assert name in written._stream.codec_context.codec.canonical_name
            written.close()
            assert policies() == scheduling  # SVT-AV1 makes root's process a real-time one
            assert dict(os.environ) == variables
        assert not capfd.readouterr().err
        for codec, pixels in (("prores_ks", "yuv422p10le"), ("ffv1", "yuv420p")):
            written = Film(str(copied(Film(str(film)), tmp_path / f"{codec}.mkv", codec=codec).path))
            assert written._stream.codec_context.pix_fmt == pixels and len(pictures_of(tmp_path / f"{codec}.mkv")) == 8
            written.close()
        with pytest.raises(MtcnnError, match="ffmpeg's dnxhd cannot encode .*, 256x240 with 10 pictures a second"):
            copied(Film(str(film)), tmp_path / "dnxhd.mov", codec="dnxhd")
        sizes = []
        for crf in (10, 40):
            copied(Film(str(film)), tmp_path / f"{crf}.mp4", crf=crf)
            sizes.append((tmp_path / f"{crf}.mp4").stat().st_size)
        assert sizes[0] > 2 * sizes[1]

    @pytest.mark.parametrize(
        ("arguments", "said"),
        [
            (("--output", "o.mp4", "--crf", 77), "--crf must be 0 (best) to 51"),
            (("--output", "o.avi", "--crf", 20), "--crf must be left out with mjpeg"),
            (("--output", "o.mp4", "--codec", "x265!"), "--codec must be one of h264"),
            (("--output", "o.mp4", "--codec", "aac"), "--codec must be one of h264"),
            (("--output", "o.webm", "--codec", "h264"), "goes into .webm, got h264: name a .mkv, or another codec"),
            (("--output", "o.mkv", "--codec", "gif"), "goes into .mkv, got gif: name another codec"),
            (("--output", "o.txt"), "must end in .mp4, .mkv"),
            (("--json", "--codec", "h264"), "--codec and --crf are for the film"),
            (("--json", "--start", "1:99:-1"), "must be seconds, or like 1:30"),
            (("--json", "--start", 3, "--end", 2), "must come after --start"),
        ],
    )
    def test_wrong_usage(
        self, tmp_path: Path, pictures: list[np.ndarray], arguments: tuple[object, ...], said: str
    ) -> None:
        film = make_film(tmp_path / "in.mp4", pictures[:1])
        done = mtcnn("video", film, *arguments, cwd=tmp_path, code=2)
        assert said in done.stderr and len(done.stderr.splitlines()) == 1, done.stderr
        assert os.listdir(tmp_path) == ["in.mp4"]


class TestOddFilms:
    def test_odd_sides(self, tmp_path: Path, pictures: list[np.ndarray]) -> None:
        odd = [img[:199, :201] for img in pictures]
        film = make_film(tmp_path / "in.mkv", odd, codec="ffv1", pixels="bgr0")
        done = mtcnn("video", film, "--output", tmp_path / "out.mp4", "--minsize", 60)
        assert "201x199 is written as 202x200" in done.stderr
        assert pictures_of(tmp_path / "out.mp4")[0].shape == (200, 202, 3)
        mtcnn("video", film, "--output", tmp_path / "out.webm", "--minsize", 60)
        assert pictures_of(tmp_path / "out.webm")[0].shape == (199, 201, 3)

    @pytest.mark.parametrize(
        ("codec", "pixels", "said"),
        [
            ("ffv1", "gray", None),
            ("ffv1", "gray10le", "10 bits"),
            ("ffv1", "bgra", "alpha"),
            ("libx265", "yuv420p10le", "10 bits"),
        ],
    )
    def test_pixels(
        self, tmp_path: Path, pictures: list[np.ndarray], codec: str, pixels: str, said: str | None
    ) -> None:
        film = make_film(tmp_path / "in.mkv", pictures, codec=codec, pixels=pixels)
        done = mtcnn("video", film, "--json", "--output", tmp_path / "out.mp4", "--minsize", 60)
        assert [len(one["faces"]) for one in lines(done.stdout)] == [1] * 8
        assert (said in done.stderr) if said else len(done.stderr.splitlines()) == 1
        assert len(pictures_of(tmp_path / "out.mp4")) == 8

    def test_a_layout_that_ffmpeg_cannot_convert(self, tmp_path: Path, pictures: list[np.ndarray]) -> None:
        import av

        film = Film(str(make_film(tmp_path / "in.mp4", pictures[:1])))
        with pytest.raises(MtcnnError, match="has pictures of the layout gray32le, which ffmpeg cannot convert"):
            film._upright(av.VideoFrame(64, 48, "gray32le"))
        film.close()

    def test_colours_of_hdr_are_told(self, tmp_path: Path, pictures: list[np.ndarray]) -> None:
        hdr = {"colorspace": 9, "color_primaries": 9, "color_trc": 16}
        film = make_film(tmp_path / "in.mp4", pictures, codec="libx265", pixels="yuv420p10le", colours=hdr)
        copied(Film(str(film)), tmp_path / "out.mp4")
        out = Film(str(tmp_path / "out.mp4"))
        assert out.colours == hdr
        a, b = Film(str(film)).read(), out.read()
        assert a is not None and b is not None
        assert np.abs(a.img.astype(int) - b.img).mean() < 3  # the same matrix on both ways

    def test_sizes_that_change(self, tmp_path: Path, pictures: list[np.ndarray]) -> None:
        parts = [
            make_film(tmp_path / "a.ts", pictures),
            make_film(tmp_path / "b.ts", [img[:120, :160] for img in pictures]),
        ]
        film = tmp_path / "in.ts"
        film.write_bytes(b"".join(part.read_bytes() for part in parts))
        done = mtcnn("video", film, "--json", "--output", tmp_path / "out.mp4", "--minsize", 60)
        said = lines(done.stdout)
        assert len(said) == 16
        assert "8 pictures have another size than the first" in done.stderr
        done = mtcnn("blur", film, "--output", tmp_path / "blurred.mp4", "--minsize", 60)
        assert "8 pictures have another size than the first" in done.stderr
        seconds = [one["seconds"] for one in said]
        assert seconds == sorted(seconds) and abs(seconds[-1] - 1.5) < 0.05
        assert len(pictures_of(tmp_path / "out.mp4")) == 16

    def test_sound_alone_and_nothing(
        self, tmp_path: Path, pictures: list[np.ndarray], capfd: pytest.CaptureFixture[str]
    ) -> None:
        import av

        film = make_film(tmp_path / "in.mp4", pictures, UNEVEN, sound=True)
        with av.open(str(film)) as read, av.open(str(tmp_path / "sound.mp4"), "w") as written:
            stream = written.add_stream_from_template(read.streams.audio[0])
            for packet in read.demux(read.streams.audio[0]):
                if packet.size:
                    packet.stream = stream
                    written.mux(packet)
        (tmp_path / "empty.mp4").touch()
        empty_film(tmp_path / "none.avi")
        empty_film(tmp_path / "none.mp4")
        empty_film(tmp_path / "none.mkv")
        (tmp_path / "text.mp4").write_text("no film at all\n" * 99)
        (tmp_path / "head.mp4").write_bytes(film.read_bytes()[:400])
        for name, said in (
            ("none.avi", "none.avi is empty"),
            ("none.mp4", "holds no pictures"),
            ("none.mkv", "cannot be opened"),
            ("sound.mp4", "sound only"),
            ("empty.mp4", "cannot be opened"),
            ("text.mp4", "cannot be opened"),
            ("head.mp4", "cannot be opened"),
        ):
            for way in ("video", "blur"):
                code, _, error = ran(capfd, way, tmp_path / name, "--output", tmp_path / "out.mp4")
                assert code == 1 and said in error.splitlines()[-1], error
                assert not (tmp_path / "out.mp4").exists()

    @pytest.mark.parametrize(("ending", "options"), [(".mp4", {"movflags": "faststart"}), (".mkv", {}), (".avi", {})])
    def test_truncated(self, tmp_path: Path, pictures: list[np.ndarray], ending: str, options: dict[str, str]) -> None:
        codec = "mjpeg" if ending == ".avi" else "libx264"
        pixels = "yuvj420p" if ending == ".avi" else "yuv420p"
        film = make_film(tmp_path / f"in{ending}", pictures * 3, codec=codec, pixels=pixels, options=options)
        cut = tmp_path / f"cut{ending}"
        cut.write_bytes(film.read_bytes()[: film.stat().st_size * 6 // 10])
        done = mtcnn("video", cut, "--json", "--output", tmp_path / "out.mp4", "--minsize", 60, code=3)
        count = len(lines(done.stdout))
        assert 5 <= count < 20 and "it is truncated or damaged" in done.stderr
        assert len(pictures_of(tmp_path / "out.mp4")) == count
        mtcnn("video", film, "--json", "--minsize", 60)

    def test_damaged_within(self, tmp_path: Path, pictures: list[np.ndarray]) -> None:
        film = make_film(tmp_path / "in.mkv", pictures * 3)
        data = bytearray(film.read_bytes())
        middle = len(data) // 2
        data[middle : middle + 3000] = bytes(3000)
        film.write_bytes(data)
        done = mtcnn("video", film, "--json", "--output", tmp_path / "out.mp4", "--minsize", 60, code=3)
        assert "damaged" in done.stderr
        assert len(lines(done.stdout)) == len(pictures_of(tmp_path / "out.mp4")) >= 12


class TestEnds:
    def test_a_killed_run_leaves_no_film(self, tmp_path: Path, pictures: list[np.ndarray]) -> None:
        film = make_film(tmp_path / "in.mp4", pictures * 40)
        out = tmp_path / "out.mp4"
        arguments = ("video", film, "--json", "--output", out, "--minsize", 20)
        with subprocess.Popen(command(*arguments), env=environment(), stdout=subprocess.PIPE) as running:
            assert running.stdout is not None
            running.stdout.readline()
            running.send_signal(signal.SIGKILL)
        assert not out.exists()
        mtcnn(*arguments, "--most", 3)  # which tidies up
        assert sorted(os.listdir(tmp_path)) == ["in.mp4", "out.mp4"]

    def test_what_is_no_regular_file(self, tmp_path: Path) -> None:
        os.mkfifo(tmp_path / "pipe.mp4")
        for name in ("pipe.mp4", "/dev/null"):
            with pytest.raises(MtcnnError, match="is no regular file; a camera is named by its number"):
                Film(str(tmp_path / name))

    def test_without_pyav_it_says_what_to_install(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        import sys

        monkeypatch.setitem(sys.modules, "av", None)
        with pytest.raises(MtcnnError, match="this needs av: pip install"):
            Film(str(tmp_path))


class TestFolders:
    @pytest.fixture
    def folder(self, tmp_path: Path, pictures: list[np.ndarray]) -> Path:
        root = tmp_path / "in"
        (root / "sub").mkdir(parents=True)
        make_film(root / "a.mp4", pictures, sound=True)
        make_film(root / "sub" / "b.ts", pictures)
        (root / "broken.mkv").write_bytes(b"none")
        (root / "notes.txt").write_text("none")
        return root

    def test_a_folder_within_the_one_that_is_read(self, tmp_path: Path, folder: Path) -> None:
        out, before = folder / "drawn", (folder / "a.mp4").read_bytes()
        for options in ([], ["--resume"], ["--overwrite"]):
            done = mtcnn("video", folder, "--output", out, *options, "--minsize", 60, "--every", 8, code=3)
        assert "films: " in done.stderr and "would be" not in done.stderr and (out / "a.mp4").exists()
        (out / "a.mp4").unlink()
        (out / "a.mp4").symlink_to(folder / "a.mp4")
        done = mtcnn("video", folder, "--output", out, "--overwrite", "--minsize", 60, "--every", 8, code=3)
        assert "not written: 1" in done.stderr and (folder / "a.mp4").read_bytes() == before

    def test_each_film_by_itself(self, tmp_path: Path, folder: Path) -> None:
        out = tmp_path / "out"
        arguments = ("video", folder, "--output", out, "--json", "--track", "--every", 4, "--minsize", 60)
        done = mtcnn(*arguments, code=3)
        said = lines(done.stdout)
        assert [(one["file"], one["frame"]) for one in said] == [
            (str(folder / name), i) for name in ("a.mp4", "sub/b.ts") for i in range(8)
        ]
        assert all([face["id"] for face in one["faces"]] == [1] for one in said)
        assert "films: 3, pictures: 16, faces: 16, unreadable: 1" in done.stderr and "skipped: 1 .txt" in done.stderr
        assert "broken.mkv: cannot be opened" in done.stderr
        assert len(pictures_of(out / "a.mp4")) == len(pictures_of(out / "sub" / "b.mp4")) == 8
        assert packets(out / "a.mp4", "audio")
        assert "is there already" in mtcnn(*arguments, code=1).stderr
        (out / "a.mp4").unlink()
        done = mtcnn(*arguments, "--resume", code=3)
        assert "films: 2, " in done.stderr and "done before: 1" in done.stderr
        assert {one["file"] for one in lines(done.stdout)} == {str(folder / "a.mp4")}
        assert "made with other settings" in mtcnn(*arguments, "--resume", "--start", 1, code=1).stderr

    def test_one_that_is_cancelled_is_done_again(self, tmp_path: Path, pictures: list[np.ndarray]) -> None:
        (tmp_path / "in").mkdir()
        make_film(tmp_path / "in" / "a.mp4", pictures * 40)
        arguments = ("video", "in", "--output", "out", "--minsize", 60)
        with subprocess.Popen(
            command(*arguments, "--json"),
            cwd=tmp_path,
            env=environment(),
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
        ) as running:
            assert running.stdout is not None and running.stderr is not None
            running.stdout.readline()
            running.send_signal(signal.SIGINT)
            running.stdout.read()
            said = running.stderr.read().decode()
        assert running.returncode == 130 and "go on with --resume" in said and "Traceback" not in said, said
        assert not [name for name in os.listdir(tmp_path / "out") if not name.startswith(".mtcnn-")]
        mtcnn(*arguments, "--resume", cwd=tmp_path)
        assert len(pictures_of(tmp_path / "out" / "a.mp4")) == 320

    def test_a_full_disk_ends_it(
        self, tmp_path: Path, folder: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
    ) -> None:
        class Usage:
            free = film_writer._LEAST_FREE - 1

        monkeypatch.setattr(film_writer.shutil, "disk_usage", lambda path: Usage)
        for name in ("video", "blur"):
            code, _, error = ran(capfd, name, folder, "--output", tmp_path / name, "--minsize", 60)
            said = error.splitlines()
            assert code == 1
            assert "the disk is full" in said[-1] and "go on with --resume" in said[-1] and len(said) == 1

    @pytest.mark.parametrize(
        ("arguments", "code", "said"),
        [
            (("in",), 1, "nothing to do: say --output FOLDER or --json"),
            (("in", "--json", "--resume"), 2, "are for the folder that --output writes"),
            (("in", "--output", "o", "--window"), 2, "--window shows one film"),
            (("in", "--output", "in/../in", "--overwrite"), 1, "would be overwritten"),
            (("in/a.mp4", "--json", "--ray", "local"), 2, "--ray is for folders of films"),
            (("in/a.mp4", "--json", "--resume"), 2, "--resume is for folders of films"),
            (("empty", "--json"), 1, "no films in empty"),
            (("in", "--output", "o", "--codec", "x265!"), 2, "--codec must be one of h264"),
            (("in", "--json", "--device", "cuda:77"), 1, "cuda"),
        ],
    )
    def test_wrong_usage(
        self,
        tmp_path: Path,
        folder: Path,
        arguments: tuple[str, ...],
        code: int,
        said: str,
        monkeypatch: pytest.MonkeyPatch,
        capfd: pytest.CaptureFixture[str],
    ) -> None:
        (tmp_path / "empty").mkdir()
        monkeypatch.chdir(tmp_path)
        ended, _, error = ran(capfd, "video", *arguments)
        assert ended == code and said in error and len(error.splitlines()) == 1, error


def test_what_is_newest_takes_the_place_of_what_waits() -> None:
    waiting: queue.Queue[int] = queue.Queue(2)
    assert [_put_newest(waiting, i) for i in range(5)] == [0, 0, 1, 1, 1]
    assert [waiting.get(), waiting.get()] == [3, 4]


def test_show_fps_only_where_asked(tmp_path: Path, pictures: list[np.ndarray]) -> None:
    black = [np.zeros((240, 320, 3), np.uint8)] * 3
    film = make_film(tmp_path / "in.mp4", black)
    mtcnn("video", film, "--output", tmp_path / "plain.mp4")
    mtcnn("video", film, "--output", tmp_path / "fps.mp4", "--show-fps")
    assert max(img.max() for img in pictures_of(tmp_path / "plain.mp4")) < 30
    assert max(img.max() for img in pictures_of(tmp_path / "fps.mp4")) > 150


def test_tracked_faces_have_numbers(tmp_path: Path, pictures: list[np.ndarray]) -> None:
    film = make_film(tmp_path / "in.mp4", pictures)
    arguments = ("--track", "--every", 4, "--json", "--minsize", 60, "--output", tmp_path / "out.mp4")
    said = lines(mtcnn("video", film, *arguments).stdout)
    assert [one["frame"] for one in said] == list(range(8))
    assert [one.get("detected", True) for one in said] == [True, False, False, False] * 2
    assert [[face["id"] for face in one["faces"]] for one in said] == [[1]] * 8
    assert len(pictures_of(tmp_path / "out.mp4")) == 8
