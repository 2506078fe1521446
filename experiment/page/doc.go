// Package page writes results as one HTML page that needs nothing else: no network,
// no script, no font, no other file.
//
// # Layout
//
// A chart is a grid of HTML with a small SVG in each row. What is in an SVG is
// placed in percent of its width, so that a page is as wide as what shows it, and
// texts keep their size. Text in an SVG is only that of axes: [axis] chooses ticks
// whose labels keep clear of each other at the narrowest width. All other text is
// HTML, which wraps.
//
// Colours follow prefers-color-scheme and say nothing that shapes, places and words
// do not say as well.
package page
