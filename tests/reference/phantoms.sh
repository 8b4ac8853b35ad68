#!/usr/bin/env bash
# Writes the videos of tests/fixtures, which are synthetic hearts:
#
#     tests/reference/phantoms.sh "cargo xtask"
#
# The argument is how to run echozoo. The files in git came from ffmpeg 5.1.9; another version may write other bytes, so
# make the goldens again after this (preprocess.py goldens).
#
#   phantom_112    44 frames of 112 x 112, grey: a phantom as `echozoo phantom` writes it, cut but not recompressed
#   phantom_wide   44 frames of 149 x 112, reddish: half of the 37 columns too many is 18.5, which rounds to even
#   phantom_short  10 frames of 300 x 400, bluish: too few for any encoder, upright, and large enough to be shrunk
set -euo pipefail
echozoo=${1:?how to run echozoo, such as "cargo xtask"}
fixtures=$(cd "$(dirname "$0")/../fixtures" && pwd)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

$echozoo phantom --count 4 --seed 0 --out "$work/set"
phantom=$work/set/Videos/phantom-test-00000.avi

# ffmpeg FRAMES NAME [FILTERS QUALITY]; full range and shared chroma, as the phantoms and EchoNet-Dynamic have.
cut() {
    local codec=(-c copy)
    if [ $# -gt 2 ]; then
        codec=(-vf "$3" -c:v mjpeg -pix_fmt yuvj420p -q:v "$4")
    fi
    ffmpeg -nostdin -loglevel error -y -i "$phantom" -frames:v "$1" "${codec[@]}" \
        -fflags +bitexact -flags:v +bitexact -map_metadata -1 "$fixtures/$2.avi"
}
cut 44 phantom_112
cut 44 phantom_wide "scale=149:112:flags=bicubic,format=gbrp,colorchannelmixer=rr=1.0:gg=0.75:bb=0.5" 5
cut 10 phantom_short "scale=300:400:flags=bicubic,format=gbrp,colorchannelmixer=rr=0.6:gg=0.8:bb=1.0" 6
ls -l "$fixtures"
