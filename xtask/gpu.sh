#!/bin/bash
# Measures a CUDA card: EchoZoo against PyTorch on the same card (docs/speed.md).
#
#   xtask/gpu.sh build                        where Rust is: a stripped binary with CUDA in target/gpu/echozoo.xz
#   xtask/gpu.sh run cuda|cpu [ARGUMENT...]   where the card is: everything in nine minutes, most of them compiling
#                                             kernels, a table last;
#                                             arguments are speed.py's; $OUT keeps the results [default: target/gpu/out]
#
# The second needs target/gpu, Python with PyTorch, torchvision, timm and transformers, and NVRTC; neither Rust nor a
# network. `build` needs no CUDA and no network: the code generator of cubecl-cuda that would use LLVM, which its build
# script downloads, is not used (feature cuda-nvrtc), so what it wants of LLVM is linked to functions that abort.
set -eu
help() { sed -n '2,11p' "$script"; }
script=$(realpath "$0")
cd "$(dirname "$script")/.."
folder=target/gpu
mkdir -p $folder

build() {
    export CARGO_TARGET_DIR=${CARGO_TARGET_DIR:-target/cuda} DOCS_RS=1
    echozoo() { cargo rustc --release -p echo-zoo --bin echozoo --features cuda-nvrtc -- -C link-arg="$1"; }
    echozoo -Wl,--unresolved-symbols=ignore-all
    nm -D "$CARGO_TARGET_DIR/release/echozoo" | awk '$1 == "U" && $2 !~ /@/ { print $2 }' >$folder/absent
    echo "$(wc -l <$folder/absent) functions of LLVM that abort"
    { echo 'void abort(void);'; sed 's/.*/void &(void) { abort(); }/' $folder/absent; } >$folder/absent.c
    cc -c -fPIC -o $folder/absent.o $folder/absent.c
    echozoo "$PWD/$folder/absent.o"
    strip -o $folder/echozoo "$CARGO_TARGET_DIR/release/echozoo"
    xz -3 -f -T0 $folder/echozoo
    ls -l $folder/echozoo.xz
}

# Where CUDA's headers and NVRTC are, when not in the usual places: beside PyTorch.
cuda_paths() {
    beside=$(python3 -c 'import pathlib, torch; print(pathlib.Path(torch.__file__).parent.parent / "nvidia")')
    header=$(find -L /usr/local/cuda "$beside" -name cuda_fp16.h 2>/dev/null | head -1)
    if [ -n "$header" ] && [ -z "${CUDA_PATH:-}" ]; then
        CUDA_PATH=$(dirname "$(dirname "$header")")
        export CUDA_PATH
    fi
    nvrtc=$(ldconfig -p | awk '/libnvrtc\.so/ { print $NF; exit }')
    if [ -z "$nvrtc" ]; then
        nvrtc=$(find -L /usr/local/cuda "$beside" -name 'libnvrtc.so*' 2>/dev/null | sort | head -1)
        # cudarc looks for libnvrtc.so by this name and by that of each version.
        mkdir -p /tmp/echozoo-nvrtc && for file in "$(dirname "$nvrtc")"/libnvrtc*; do ln -sf "$file" /tmp/echozoo-nvrtc/; done
        [ -e /tmp/echozoo-nvrtc/libnvrtc.so ] || ln -s "$nvrtc" /tmp/echozoo-nvrtc/libnvrtc.so
        export LD_LIBRARY_PATH=/tmp/echozoo-nvrtc${LD_LIBRARY_PATH:+:$LD_LIBRARY_PATH}
    fi
    [ ! -e /usr/local/nvidia/lib64/libcuda.so.1 ] ||
        export LD_LIBRARY_PATH=${LD_LIBRARY_PATH:+$LD_LIBRARY_PATH:}/usr/local/nvidia/lib64
    echo "headers ${CUDA_PATH:-not found}, NVRTC ${nvrtc:-not found}"
}

run() {
    device=$1
    shift
    out=${OUT:-$folder/out}
    mkdir -p "$out"
    started=$(date +%s)
    took() { echo "[$(($(date +%s) - started)) s]"; }
    binary=${ECHOZOO:-/tmp/echozoo-bin/echozoo}
    speed="python3 -u zoo/echo-zoo/reference/speed.py --binary $binary --against pytorch --device $device --out $out"
    $speed --prepare "$@" >"$out/prepare.log" 2>&1 &
    if [ -z "${ECHOZOO:-}" ]; then
        mkdir -p /tmp/echozoo-bin
        python3 -c 'import lzma, shutil, sys; shutil.copyfileobj(lzma.open(sys.argv[1]), open(sys.argv[2], "wb"))' \
            $folder/echozoo.xz $binary
        chmod +x $binary
    fi
    if [ "$device" != cpu ]; then
        nvidia-smi --query-gpu=name,driver_version,memory.total --format=csv,noheader
        cuda_paths
    fi
    echo "$(took) does --device $device start?"
    timeout 60 $binary speed --encoder panecho --preset nano --device "$device" </dev/null || {
        echo "no: exit code $?"
        return 1
    }
    wait || cat "$out/prepare.log"
    echo "$(took) measuring"
    $speed --total $((${SECONDS_IN_ALL:-540} - $(date +%s) + started)) "$@" 2>"$out/speed.log" || tail -5 "$out/speed.log"
    echo "$(took) done; what was said on the way is in $out/speed.log"
}

case ${1:-} in
--help | -h) help ;;
build) build ;;
run)
    device=${2:-}
    case $device in cuda | cpu) ;; *)
        echo "run needs a device: cuda or cpu" >&2
        exit 2
        ;;
    esac
    if [ -z "${ECHOZOO:-}" ] && [ ! -f $folder/echozoo.xz ]; then
        echo "$folder/echozoo.xz is missing: run xtask/gpu.sh build where Rust is" >&2
        exit 2
    fi
    shift 2
    if [ $# = 0 ]; then
        set -- panecho echoprime echoclip panecho-step echoprime-step echoclip-step \
            --batch 1,8,32 --modes eager,bf16@8,compile@8 --step-modes eager,bf16@8 --runs 20 --seconds 2 --limit 420
    fi
    run "$device" "$@"
    ;;
*)
    help >&2
    exit 2
    ;;
esac
