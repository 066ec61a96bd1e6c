package host.spark;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.MissingNode;

import java.io.File;
import java.io.IOException;
import java.io.Serializable;
import java.net.InetAddress;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import java.util.stream.Collectors;

import org.apache.spark.SparkEnv;
import org.apache.spark.api.java.JavaSparkContext;

/** What each executor allows of the sandbox, as `host doctor` tells there. */
final class Executors {
    /** Tasks for each: so many that none is without one. */
    private static final int TASKS = 8;
    /** How often they are asked, until each has answered. */
    private static final int ROUNDS = 3;
    /** For how long none may come until those that are there are all, in tenths of a second. */
    private static final int STILL = 30;
    /** For how long they are waited for at most. Spark says itself if there are none. */
    private static final int TURNS = 600;

    private final Map<String, Answer> answers = new TreeMap<>();
    /** How many have not answered. */
    private int silent;

    private Executors() {
    }

    private static final class Answer implements Serializable {
        private static final long serialVersionUID = 1;

        final String executor;
        final String machine;
        final int code;
        final String said;

        Answer(String executor, String machine, int code, String said) {
            this.executor = executor;
            this.machine = machine;
            this.code = code;
            this.said = said;
        }
    }

    static Executors ask(JavaSparkContext context, Spec spec) {
        int count = context.sc().isLocal() ? 1 : present(context);
        int tasks = count * Math.max(TASKS, context.defaultParallelism());
        List<Integer> numbers = new ArrayList<>();
        for (int number = 0; number < tasks; number++) {
            numbers.add(number);
        }
        Executors executors = new Executors();
        for (int round = 0; round < ROUNDS && executors.answers.size() < count; round++) {
            List<Answer> answers = context.parallelize(numbers, tasks)
                    .map(number -> answer(spec))
                    .collect();
            for (Answer answer : answers) {
                executors.answers.put(answer.executor, answer);
            }
        }
        executors.silent = Math.max(0, count - executors.answers.size());
        return executors;
    }

    /** How many there are, once no further ones come. */
    private static int present(JavaSparkContext context) {
        int count = 0;
        int still = 0;
        for (int turn = 0; turn < TURNS && (count == 0 || still < STILL); turn++) {
            // The driver is one of those that are told of.
            int now = context.sc().statusTracker().getExecutorInfos().length - 1;
            still = now == count ? still + 1 : 0;
            count = now;
            try {
                Thread.sleep(100);
            } catch (InterruptedException interrupted) {
                Thread.currentThread().interrupt();
                break;
            }
        }
        return Math.max(1, count);
    }

    private static Answer answer(Spec spec) throws IOException, InterruptedException {
        File root = Run.root();
        List<String> command = new ArrayList<>();
        command.add(new File(root, spec.program).getPath());
        command.addAll(Arrays.asList("doctor", "--json"));
        command.addAll(spec.doctorArguments);
        Process process = new ProcessBuilder(command)
                .directory(root)
                .redirectErrorStream(true)
                .start();
        process.getOutputStream().close();
        byte[] said = Run.drained(process.getInputStream());
        // So that this one does not do the work of others.
        Thread.sleep(100);
        return new Answer(SparkEnv.get().executorId(), InetAddress.getLocalHost().getHostName(),
                process.waitFor(), new String(said, StandardCharsets.UTF_8));
    }

    /** Why plugins do not run everywhere as demanded; null: they do. */
    String unfit() {
        List<Answer> unfit = answers.values().stream()
                .filter(answer -> answer.code != 0)
                .collect(Collectors.toList());
        if (unfit.isEmpty()) {
            return null;
        }
        Answer first = unfit.get(0);
        String which = unfit.size() == 1 ? "" : String.format(" and %,d more", unfit.size() - 1);
        return String.format("executor %s (%s)%s cannot run plugins as demanded: %s",
                first.executor, first.machine, which, remedies(first));
    }

    private static String remedies(Answer answer) {
        List<String> remedies = new ArrayList<>();
        for (JsonNode layer : layers(answer)) {
            if (!layer.path("available").asBoolean()) {
                remedies.add("\n  to have " + layer.path("layer").asText() + ": "
                        + layer.path("remedy").asText());
            }
        }
        return remedies.isEmpty() ? answer.said.trim() : "it lacks a layer" + String.join("", remedies);
    }

    /** Of what the program has said; none where that is something else. */
    private static JsonNode layers(Answer answer) {
        try {
            return new ObjectMapper().readTree(answer.said).path("layers");
        } catch (IOException noJson) {
            return MissingNode.getInstance();
        }
    }

    /** A table: a line for each executor, with the layers that it has and lacks. */
    @Override
    public String toString() {
        StringBuilder text = new StringBuilder();
        for (Answer answer : answers.values()) {
            text.append(String.format("executor %-8s %-24s ", answer.executor, answer.machine));
            List<String> words = new ArrayList<>();
            for (JsonNode layer : layers(answer)) {
                String name = layer.path("layer").asText();
                words.add(layer.path("available").asBoolean() ? name : "NO " + name
                        + " (" + layer.path("trouble").asText() + ")");
            }
            text.append(words.isEmpty() ? answer.said.trim() : String.join(", ", words));
            text.append('\n');
        }
        if (silent > 0) {
            text.append(String.format("%,d more did no task, and were not asked%n", silent));
        }
        return text.toString();
    }
}
