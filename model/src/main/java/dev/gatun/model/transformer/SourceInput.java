package dev.gatun.model.transformer;

/** What makes the rows that the first layer of a stack reads. */
public sealed interface SourceInput permits Input, AudioInput {}
