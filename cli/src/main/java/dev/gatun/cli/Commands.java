package dev.gatun.cli;

import java.util.List;
import java.util.function.Function;

/**
 * What a program can be told to do.
 *
 * @param program what the user types before the command
 * @param names of its commands, in the order in which help lists them
 * @param byName makes the command of one of these names
 */
public record Commands(String program, List<String> names, Function<String, Command> byName) {}
