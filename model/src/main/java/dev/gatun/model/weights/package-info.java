/**
 * What lies in a model's folder: its weights as tensors by name ({@link dev.gatun.model.weights.Weights}) and its settings ({@link
 * dev.gatun.model.weights.JsonConfig}). Files come from anywhere and are trusted in nothing: a file that breaks its format is one
 * {@link dev.gatun.model.weights.ModelFormatException} that says where, and no file makes us take more memory than its own size
 * and a constant.
 */
@NullMarked
package dev.gatun.model.weights;

import org.jspecify.annotations.NullMarked;
