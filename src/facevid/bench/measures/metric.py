"""The metrics of single videos: their names, what they say, and which way is better."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Better = Literal["higher", "lower", "as real"]


@dataclass(frozen=True)
class Metric:
    """One number of a video; a column of videos.parquet, empty where a video does not have it.

    name: the column. title: how people call it. unit: "" for shares and plain numbers. better: "as real" is a number
    that is best near that of real videos. about: what is measured, on what, and whose measure it is, in a sentence.
    """

    name: str
    title: str
    unit: str
    better: Better
    about: str


METRICS: tuple[Metric, ...] = (
    Metric(
        "face_found", "face found", "", "higher",
        "Share of the frames in which the face mesh finds a face.",
    ),
    Metric(
        "identity_first", "identity kept, to the first", "distance", "lower",
        "Mean distance of the face embeddings of up to 8 evenly spread frames to that of the first of them.",
    ),
    Metric(
        "identity_step", "identity kept, step by step", "distance", "lower",
        "Mean distance of the face embeddings of neighbours among up to 8 evenly spread frames.",
    ),
    Metric(
        "identity_picture", "identity of the picture given", "distance", "lower",
        "Mean distance of the face embeddings of up to 8 evenly spread frames to that of the picture that the video "
        "was to start from.",
    ),
    Metric(
        "identity_margin", "nearer to the picture given than to another's", "", "higher",
        "1 where the faces of the first and of the last frame are both nearer to the picture given than to the picture "
        "given to another video, of somebody else; else 0.",
    ),
    Metric(
        "colour_picture", "colour of the picture given", "Delta E", "lower",
        "Mean CIE76 difference of a 4 x 4 grid of mean colours, of up to 8 frames to the picture given.",
    ),
    Metric(
        "asked_right", "what was asked for", "", "higher",
        "Of the attributes that the prompt asks for, and that the measures of annotation can tell from the video, the "
        "share that it shows. Small videos are silent on what takes pixels to see, such as eyeglasses.",
    ),
    Metric(
        "clip_b32", "prompt and frames (CLIP ViT-B/32)", "of 100", "higher",
        "100 times the mean cosine of CLIP's vectors of prompt and frames, where its weights are here (openai's "
        "clip-vit-base-patch32).",
    ),
    Metric(
        "clip_l14", "prompt and frames (CLIP ViT-L/14)", "of 100", "higher",
        "100 times the mean cosine of CLIP's vectors of prompt and frames, where its weights are here (openai's "
        "clip-vit-large-patch14).",
    ),
    Metric(
        "motion", "motion", "widths/s", "as real",
        "Mean optical flow (Farneback 2003) from frame to frame, in widths of the picture a second.",
    ),
    Metric(
        "flicker", "flicker", "of 255", "lower",
        "Mean absolute difference of each frame to the one before it, moved by the optical flow between them (the "
        "warping error of Lai et al. 2018); read it beside motion: a still picture has none.",
    ),
    Metric(
        "vbench_temporal_flickering", "temporal flickering (VBench)", "", "higher",
        "1 less the mean absolute difference of each frame to the one before it, over all pixels and colours, as a "
        "share of 255 (temporal_flickering of VBench, Huang et al. 2024, which leaves still videos out first); read it "
        "beside motion: a still picture has 1.",
    ),
    Metric(
        "head_turn", "turning of the head", "degrees/s", "as real",
        "Mean speed at which yaw, pitch and roll of the head change.",
    ),
    Metric(
        "mesh_motion", "motion of the face", "eyes/s", "as real",
        "Mean speed of the mesh's points after the head's own movement is taken out, in eye distances a second.",
    ),
    Metric(
        "sharpness", "sharpness", "", "as real",
        "How narrow the edges of the face are (Zhuo and Sim 2011), 1 / blur in % of its width: median over up to 8 "
        "frames.",
    ),
    Metric(
        "mesh_distance", "keypoints, to the reference", "eyes", "lower",
        "Mean distance of the mesh's points to those of the same frame of the reference video, in eye distances of the "
        "reference (average keypoint distance, AKD, of Siarohin et al. 2019, normalised).",
    ),
    Metric(
        "pose_distance", "head pose, to the reference", "degrees", "lower",
        "Mean absolute difference of yaw, pitch and roll to the same frame of the reference video.",
    ),
    Metric(
        "expression_distance", "expression, to the reference", "eyes", "lower",
        "Mean distance of the mesh's points to those of the reference after both heads are turned to the front and "
        "laid on each other, in eye distances.",
    ),
    Metric(
        "mouth_sync", "mouth and sound", "", "higher",
        "Best correlation, over offsets of up to 15 frames, of mouth opening and amplitude of the voice (300 to 3,000 "
        "Hz), both at the rhythm of syllables (2 to 7 Hz; Chandrasekaran et al. 2009); of videos of 2 s or more.",
    ),
    Metric(
        "mouth_offset", "sound after picture", "frames", "as real",
        "The offset of that best correlation, in frames: above 0 where the sound comes later.",
    ),
)  # fmt: skip
"""Every metric of a video, in the order in which they are shown."""

BY_NAME = {metric.name: metric for metric in METRICS}
