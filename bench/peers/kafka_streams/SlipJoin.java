// The slip join on Kafka Streams: processor API, in-memory store with a changelog, exactly once,
// one thread. Tuned as for a backlog: large fetches and polls, no record cache between the store
// and its changelog, a reader schema of the few fields that matter, a state of 34 bytes.
//
// Runs so many times in one JVM, each time as a new application on the same topics, and prints a
// line of JSON for each: the first is a cold JVM, the last a warm one.

import com.sun.management.OperatingSystemMXBean;
import java.io.IOException;
import java.lang.management.ManagementFactory;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import java.util.Properties;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.atomic.AtomicLong;
import org.apache.avro.Schema;
import org.apache.avro.generic.GenericDatumReader;
import org.apache.avro.generic.GenericRecord;
import org.apache.avro.io.BinaryDecoder;
import org.apache.avro.io.DecoderFactory;
import org.apache.avro.util.Utf8;
import org.apache.kafka.clients.consumer.ConsumerConfig;
import org.apache.kafka.clients.producer.ProducerConfig;
import org.apache.kafka.common.serialization.Serdes;
import org.apache.kafka.streams.KafkaStreams;
import org.apache.kafka.streams.StreamsConfig;
import org.apache.kafka.streams.Topology;
import org.apache.kafka.streams.processor.api.Processor;
import org.apache.kafka.streams.processor.api.ProcessorContext;
import org.apache.kafka.streams.processor.api.Record;
import org.apache.kafka.streams.state.KeyValueStore;
import org.apache.kafka.streams.state.Stores;

public final class SlipJoin {
    private static final int HEADER_BYTES = 10;
    private static final long NONE = Long.MIN_VALUE;
    private static final String STORE = "lines";

    private SlipJoin() {}

    public static void main(String[] arguments) throws Exception {
        String bootstrap = arguments[0];
        String prefix = arguments[1];
        long expected = Long.parseLong(arguments[2]);
        Path schemas = Path.of(arguments[3]);
        Path directory = Path.of(arguments[4]);
        for (int place = 5; place < arguments.length; place++) {
            run(bootstrap, prefix, expected, schemas, directory, arguments[place]);
        }
    }

    private static void run(
            String bootstrap, String prefix, long expected, Path schemas, Path directory,
            String output) throws Exception {
        AtomicLong seen = new AtomicLong();
        AtomicLong firstNanos = new AtomicLong();
        AtomicLong firstCpu = new AtomicLong();
        CountDownLatch all = new CountDownLatch(1);
        Facts orders = new Facts(schemas.resolve("orders.avsc"), "requested_at", "promised_at");
        Facts shipments = new Facts(schemas.resolve("shipments.avsc"), "eta_at");
        Topology topology = new Topology();
        topology.addSource("orders", prefix + "orders");
        topology.addSource("shipments", prefix + "shipments");
        topology.addProcessor(
            "join",
            () -> new Join(prefix + "orders", orders, shipments, () -> {
                long count = seen.incrementAndGet();
                if (count == 1) {
                    firstNanos.set(System.nanoTime());
                    firstCpu.set(cpuNanos());
                } else if (count == expected) {
                    all.countDown();
                }
            }),
            "orders", "shipments");
        topology.addStateStore(
            Stores.keyValueStoreBuilder(
                    Stores.inMemoryKeyValueStore(STORE), Serdes.ByteArray(), Serdes.ByteArray())
                .withCachingDisabled()
                .withLoggingEnabled(Map.of()),
            "join");
        topology.addSink("status", output, "join");
        KafkaStreams streams = new KafkaStreams(topology, settings(bootstrap, directory, output));
        streams.setUncaughtExceptionHandler(error -> {
            error.printStackTrace();
            Runtime.getRuntime().halt(1);
            return null;
        });
        streams.start();
        all.await();
        // Whatever is open is committed within the commit interval; closing waits for it.
        streams.close(java.time.Duration.ofSeconds(60));
        double seconds = (System.nanoTime() - firstNanos.get()) / 1e9;
        double cpu = (cpuNanos() - firstCpu.get()) / 1e9;
        System.out.printf(
            java.util.Locale.ROOT,
            "{\"facts\": %d, \"seconds\": %.3f, \"cpu_seconds\": %.3f}%n",
            seen.get(), seconds, cpu);
    }

    private static Properties settings(String bootstrap, Path directory, String name) {
        Properties settings = new Properties();
        settings.put(StreamsConfig.APPLICATION_ID_CONFIG, name);
        settings.put(StreamsConfig.BOOTSTRAP_SERVERS_CONFIG, bootstrap);
        settings.put(StreamsConfig.STATE_DIR_CONFIG, directory.toString());
        settings.put(StreamsConfig.NUM_STREAM_THREADS_CONFIG, 1);
        settings.put(StreamsConfig.REPLICATION_FACTOR_CONFIG, 1);
        settings.put(StreamsConfig.PROCESSING_GUARANTEE_CONFIG, StreamsConfig.EXACTLY_ONCE_V2);
        settings.put(StreamsConfig.COMMIT_INTERVAL_MS_CONFIG, 100);
        settings.put(StreamsConfig.STATESTORE_CACHE_MAX_BYTES_CONFIG, 0);
        settings.put(StreamsConfig.BUFFERED_RECORDS_PER_PARTITION_CONFIG, 10_000);
        settings.put(StreamsConfig.DEFAULT_KEY_SERDE_CLASS_CONFIG, Serdes.ByteArraySerde.class);
        settings.put(StreamsConfig.DEFAULT_VALUE_SERDE_CLASS_CONFIG, Serdes.ByteArraySerde.class);
        settings.put(StreamsConfig.producerPrefix(ProducerConfig.COMPRESSION_TYPE_CONFIG), "lz4");
        settings.put(StreamsConfig.producerPrefix(ProducerConfig.BATCH_SIZE_CONFIG), 256 * 1024);
        settings.put(StreamsConfig.producerPrefix(ProducerConfig.LINGER_MS_CONFIG), 20);
        settings.put(StreamsConfig.consumerPrefix(ConsumerConfig.MAX_POLL_RECORDS_CONFIG), 10_000);
        settings.put(
            StreamsConfig.consumerPrefix(ConsumerConfig.MAX_PARTITION_FETCH_BYTES_CONFIG), 8 << 20);
        settings.put(StreamsConfig.consumerPrefix(ConsumerConfig.FETCH_MAX_BYTES_CONFIG), 32 << 20);
        settings.put(
            StreamsConfig.consumerPrefix(ConsumerConfig.AUTO_OFFSET_RESET_CONFIG), "earliest");
        return settings;
    }

    private static long cpuNanos() {
        return ((OperatingSystemMXBean) ManagementFactory.getOperatingSystemMXBean())
            .getProcessCpuTime();
    }

    /** Decodes facts of one family into only the fields that matter. One thread uses it. */
    private static final class Facts {
        private final GenericDatumReader<GenericRecord> reader;
        private final int[] places;
        private BinaryDecoder decoder;
        private GenericRecord reused;

        Facts(Path schema, String... moments) throws IOException {
            Schema writer = new Schema.Parser().parse(schema.toFile());
            List<String> wanted = new java.util.ArrayList<>(List.of("kind", "occurred_at"));
            wanted.addAll(List.of(moments));
            Schema projection = Schema.createRecord(
                writer.getName(), null, writer.getNamespace(), false,
                wanted.stream().map(name -> copy(writer.getField(name))).toList());
            reader = new GenericDatumReader<>(writer, projection);
            places = new int[wanted.size()];
            for (int place = 0; place < places.length; place++) {
                places[place] = projection.getField(wanted.get(place)).pos();
            }
        }

        private static Schema.Field copy(Schema.Field field) {
            return new Schema.Field(field, field.schema());
        }

        GenericRecord decode(byte[] value) throws IOException {
            decoder = DecoderFactory.get().binaryDecoder(
                value, HEADER_BYTES, value.length - HEADER_BYTES, decoder);
            reused = reader.read(reused, decoder);
            return reused;
        }

        static long moment(GenericRecord fact, int place) {
            Object told = fact.get(place);
            return told == null ? NONE : (Long) told;
        }
    }

    /** What is known of a line, and its status: requested, promised, eta, delivered, flags. */
    private static final class Join implements Processor<byte[], byte[], byte[], byte[]> {
        private static final int REQUESTED = 0;
        private static final int PROMISED = 8;
        private static final int ETA = 16;
        private static final int DELIVERED = 24;
        private static final int DEPARTED = 32;
        private static final int STATUS = 33;
        private static final int BYTES = 34;
        private static final String[] WORDS =
            {"", "open", "confirmed", "shipped", "at_risk", "delivered", "late"};
        private static final byte[][] SAYS = new byte[WORDS.length][];

        static {
            for (int word = 0; word < WORDS.length; word++) {
                SAYS[word] = WORDS[word].getBytes(StandardCharsets.UTF_8);
            }
        }

        private final String ordersTopic;
        private final Facts orders;
        private final Facts shipments;
        private final Runnable counted;
        private ProcessorContext<byte[], byte[]> context;
        private KeyValueStore<byte[], byte[]> store;

        Join(String ordersTopic, Facts orders, Facts shipments, Runnable counted) {
            this.ordersTopic = ordersTopic;
            this.orders = orders;
            this.shipments = shipments;
            this.counted = counted;
        }

        @Override
        public void init(ProcessorContext<byte[], byte[]> context) {
            this.context = context;
            this.store = context.getStateStore(STORE);
        }

        @Override
        public void process(Record<byte[], byte[]> record) {
            byte[] state = store.get(record.key());
            ByteBuffer line;
            if (state == null) {
                line = ByteBuffer.allocate(BYTES);
                for (int place = REQUESTED; place <= DELIVERED; place += 8) {
                    line.putLong(place, NONE);
                }
            } else {
                line = ByteBuffer.wrap(state.clone());
            }
            try {
                if (context.recordMetadata().orElseThrow().topic().equals(ordersTopic)) {
                    takeOrder(line, orders.decode(record.value()));
                } else {
                    takeShipment(line, shipments.decode(record.value()));
                }
            } catch (IOException error) {
                throw new IllegalStateException(error);
            }
            byte status = status(line);
            boolean changed = status != line.get(STATUS);
            line.put(STATUS, status);
            store.put(record.key(), line.array());
            if (changed) {
                context.forward(record.withValue(SAYS[status]));
            }
            counted.run();
        }

        private static void takeOrder(ByteBuffer line, GenericRecord fact) {
            if (is(fact, "placed")) {
                line.putLong(REQUESTED, Facts.moment(fact, 2));
            } else {
                line.putLong(PROMISED, Facts.moment(fact, 3));
            }
        }

        private static void takeShipment(ByteBuffer line, GenericRecord fact) {
            if (is(fact, "delivered")) {
                line.putLong(DELIVERED, (Long) fact.get(1));
            } else if (is(fact, "departed")) {
                line.put(DEPARTED, (byte) 1);
                if (line.getLong(ETA) == NONE) {
                    line.putLong(ETA, Facts.moment(fact, 2));
                }
            } else {
                line.putLong(ETA, Facts.moment(fact, 2));
            }
        }

        private static boolean is(GenericRecord fact, String kind) {
            return ((Utf8) fact.get(0)).toString().equals(kind);
        }

        private static byte status(ByteBuffer line) {
            long promised = line.getLong(PROMISED);
            long due = promised != NONE ? promised : line.getLong(REQUESTED);
            long delivered = line.getLong(DELIVERED);
            if (delivered != NONE) {
                return (byte) (due != NONE && delivered > due ? 6 : 5);
            }
            if (due != NONE && line.getLong(ETA) > due) {
                return 4;
            }
            if (line.get(DEPARTED) != 0) {
                return 3;
            }
            return (byte) (promised != NONE ? 2 : 1);
        }
    }
}
