import CoreMetrics
import P2PMetrics

#if canImport(Darwin)
    import Darwin
#elseif canImport(Glibc)
    import Glibc
#elseif canImport(Musl)
    import Musl
#endif

/// What the process uses of the machine, by the names that Prometheus' clients share.
struct ProcessGauges: Sendable {
    static let catalogue = [
        MetricDescription("process_resident_memory_bytes", .gauge, "Resident memory, in bytes."),
        MetricDescription("process_open_fds", .gauge, "Open file descriptors."),
        MetricDescription("process_cpu_seconds_total", .counter, "Time of processors, for the user and the system, in seconds."),
        MetricDescription("process_start_time_seconds", .gauge, "When the node began, in seconds since 1970."),
    ]

    private let residentMemory: Meter
    private let openDescriptors: Meter
    private let processorTime: CPUCounter

    init(_ factory: any MetricsFactory) {
        self.residentMemory = Meter(label: Self.catalogue[0].name, factory: factory)
        self.openDescriptors = Meter(label: Self.catalogue[1].name, factory: factory)
        self.processorTime = CPUCounter(FloatingPointCounter(label: Self.catalogue[2].name, factory: factory))
        Meter(label: Self.catalogue[3].name, factory: factory).set(Int64(time(nil)))
    }

    func sample() {
        let now = ProcessSnapshot.measure()
        self.residentMemory.set(now.residentBytes)
        self.openDescriptors.set(now.fileDescriptors)
        self.processorTime.sample()
    }
}
