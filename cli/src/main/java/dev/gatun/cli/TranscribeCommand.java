package dev.gatun.cli;

import dev.gatun.model.Transcriber;
import dev.gatun.model.Transcriber.Segment;
import dev.gatun.model.Transcriber.Transcription;
import dev.gatun.model.generate.GenerationConfig;
import dev.gatun.ops.Backend;
import java.io.IOException;
import java.nio.file.Path;
import java.util.Locale;
import java.util.function.UnaryOperator;
import picocli.CommandLine.Model.CommandSpec;

/** {@code gatun transcribe}: what is said in a sound file. */
final class TranscribeCommand implements Command {
    @Override
    public CommandSpec spec() {
        CommandSpec spec = CommandSpec.wrapWithoutInspection(this);
        spec.usageMessage()
                .header("Writes down what is said in a sound file.")
                .description("Sound of any length, a window of 30 seconds after the other.");
        spec.addPositional(CommonOptions.path("FILE", "sound file: WAV, AIFF or AU, of any rate and channels"));
        spec.addOption(ModelOption.spec(
                "folder of a Whisper: config.json, generation_config.json, safetensors, tokenizer.json"));
        spec.addOption(CommonOptions.option(
                "--language", "CODE", String.class, "language that is spoken, en say; default: what the model hears"));
        spec.addOption(CommonOptions.option(
                "--task", "NAME", String.class, "transcribe, which is the default, or translate: into English"));
        spec.addOption(
                CommonOptions.flag("--timestamps", "a line for each segment, with the times it begins and ends"));
        TargetOptions.add(spec);
        return spec;
    }

    @Override
    public int run(Invocation invocation) throws IOException {
        Path file = invocation.parameter(Path.of(""));
        boolean times = invocation.flag("--timestamps");
        UnaryOperator<GenerationConfig> settings = TargetOptions.of(invocation);
        try (Backend backend = Backend.open(CommonOptions.backend(invocation));
                Transcriber opened = Transcriber.open(ModelOption.required(invocation, "transcribe"), backend)) {
            Transcriber transcriber = asked(opened.with(settings.apply(opened.generation())), invocation);
            Transcription heard = (times ? transcriber.withTimestamps() : transcriber).transcribe(file);
            if (times) {
                heard.segments().forEach(segment -> invocation.results().line(line(segment)));
            } else {
                invocation.results().line(ErrorLine.printable(heard.text()));
            }
        }
        return 0;
    }

    private static Transcriber asked(Transcriber transcriber, Invocation invocation) {
        String language = invocation.option("--language", String.class);
        String task = invocation.option("--task", String.class);
        Transcriber listening = language == null ? transcriber : transcriber.in(language);
        return task == null ? listening : listening.task(task);
    }

    private static String line(Segment segment) {
        String words = ErrorLine.printable(segment.text().strip());
        return "[" + clock(segment.start()) + " --> " + clock(segment.end()) + "] " + words;
    }

    /** {@code 1:02:03.45}, without hours where there are none. */
    private static String clock(double seconds) {
        long hundredths = Math.round(seconds * 100);
        long hours = hundredths / 360_000;
        String rest = String.format(
                Locale.ROOT, "%02d:%02d.%02d", hundredths / 6000 % 60, hundredths / 100 % 60, hundredths % 100);
        return hours == 0 ? rest : hours + ":" + rest;
    }
}
