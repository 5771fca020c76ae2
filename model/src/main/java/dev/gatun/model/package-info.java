/**
 * What an application calls: {@link dev.gatun.model.Translator}, and {@link dev.gatun.model.seq2seq.Seq2SeqModel} for who wants the network
 * itself.
 */
@NullMarked
package dev.gatun.model;

import org.jspecify.annotations.NullMarked;
