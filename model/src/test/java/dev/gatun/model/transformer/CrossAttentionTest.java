package dev.gatun.model.transformer;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.within;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import dev.gatun.model.seq2seq.Seq2SeqModel;
import dev.gatun.model.transformer.CrossAttention.Head;
import dev.gatun.model.weights.ModelFolder;
import dev.gatun.ops.Backend;
import dev.gatun.ops.Backend.Kind;
import java.io.IOException;
import java.nio.file.Path;
import java.util.List;
import java.util.stream.IntStream;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** Cross-attention of golden models against transformers' (tools/golden/alignment.py). */
class CrossAttentionTest {
    @ParameterizedTest
    @ValueSource(strings = {"marian", "bart", "t5"})
    void theWeightsAreThoseOfTransformers(String family) throws IOException {
        JsonNode reference;
        try (var in = CrossAttentionTest.class.getResourceAsStream("cross_attention.json")) {
            reference = new ObjectMapper().readTree(in).get("cases").get(family);
        }
        int[] source = ints(reference.get("source"));
        int[] target = ints(reference.get("target"));
        int start = reference.get("start").asInt();
        for (Kind kind : new Kind[] {Kind.SCALAR, Kind.VECTOR, Kind.OPENBLAS}) {
            try (Backend backend = Backend.open(new Backend.Options(kind, 2, null));
                    Seq2SeqModel loaded =
                            Seq2SeqModel.load(ModelFolder.of(Path.of("../golden/models", family)), backend)) {
                Transformer model = loaded.transformer();
                compare(
                        CrossAttention.of(model, source, start, target, CrossAttention.lastLayer(model)),
                        reference.get("last_layer"));
                List<Head> two = List.of(new Head(0, 1), new Head(1, 0));
                compare(CrossAttention.of(model, source, start, target, two), reference.get("heads_0_1_and_1_0"));
                for (Head head : new Head[] {new Head(-1, 0), new Head(9, 0), new Head(0, -1), new Head(0, 99)}) {
                    assertThatThrownBy(() -> CrossAttention.of(model, source, start, target, List.of(head)))
                            .isInstanceOf(IllegalArgumentException.class)
                            .hasMessageContaining("layer " + head.layer() + ", head " + head.head());
                }
                assertThatThrownBy(() -> CrossAttention.of(model, source, start, target, List.of()))
                        .hasMessageContaining("no heads");
            }
        }
    }

    private static int[] ints(JsonNode node) {
        return IntStream.range(0, node.size()).map(i -> node.get(i).asInt()).toArray();
    }

    private static void compare(float[][] ours, JsonNode theirs) {
        assertThat(ours.length).isEqualTo(theirs.size());
        for (int t = 0; t < ours.length; t++) {
            double sum = 0;
            for (int s = 0; s < ours[t].length; s++) {
                assertThat((double) ours[t][s]).isCloseTo(theirs.get(t).get(s).asDouble(), within(1e-5));
                sum += ours[t][s];
            }
            assertThat(sum).isCloseTo(1, within(1e-5));
        }
    }
}
