#!/bin/sh
# Write counts, ROIs for Fiji and QuPath, a report, and a model for other programs, from a folder of
# images, some of which have ROIs of Fiji. Install the extras first: pip install ".[plot,rois,export]"
#
#   sh from_tiffs_to_fiji_and_qupath.sh IMAGES ROIS RESULTS [OPTIONS OF sskseg fit]
#
# IMAGES  folder of TIFF files
# ROIS    folder of ROI zips, each named like its image: cell_1.zip for cell_1.tif
# RESULTS folder for the results
set -eu
images=$1 rois=$2 results=$3
shift 3

# Train on the images, some of which have ROIs: for ten minutes, unless you pass options.
[ $# -gt 0 ] || set -- --time-budget 10m
sskseg fit "$images" --labels "$rois" --out "$results/model" "$@"

# Count the objects in all images: counts.csv, objects.csv, label images, an ROI zip for Fiji and a
# GeoJSON file for QuPath of each image, in the folders imagej and geojson.
sskseg count "$images" --model "$results/model" --out "$results/counts" \
    --rois imagej --rois geojson

# A page with figures and scores, to open in a browser.
sskseg report "$images" --model "$results/model" --labels "$rois" --out "$results/report.html"

# A package for ilastik and deepImageJ. It contains the first image: do not share it if the image is private.
first=$(ls "$images"/*.tif | head -n 1)
sskseg export --model "$results/model" --out "$results/model.zip" --sample "$first" \
    --name "Cells counted by sskseg" --description "Segments the cells of these images." \
    --author "A. Biologist" --license CC-BY-4.0
