package dev.gatun.bench;
final class HtmlReport { static String of(Report r) { return ""; } }
