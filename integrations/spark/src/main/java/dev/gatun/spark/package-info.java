/**
 * Columns of texts through Gatun's models on Apache Spark: {@link dev.gatun.spark.TextTransformer} for whole columns, in batches, and
 * {@link dev.gatun.spark.TextFunctions} for SQL. A model is opened once in an executor, whatever the number of its tasks, and computes
 * on as many threads as Spark gives a task. With a backend of one result a column has the same bits whichever executor computes what,
 * and also when a task is tried again.
 */
@NullMarked
package dev.gatun.spark;

import org.jspecify.annotations.NullMarked;
