import CoreMetrics
import P2PCore

/// Tells what a host holds and has counted, each time that somebody reads it.
struct HostSampler {
    private let connections: MetricFamily<Meter>
    private let roundTrip: MetricFamily<Meter>
    private let pendingArrivals: Meter
    private let pendingDials: Meter
    private let streams: MetricFamily<Meter>
    private let limit: MetricFamily<Meter>
    private let limitUse: MetricFamily<Meter>
    private let limitPeak: MetricFamily<Meter>
    private let heldBytes: Meter
    private let tasks: Meter
    private let queueDepth: MetricFamily<Meter>
    private var bytes: SampledCounters
    private var congestionEvents: SampledCounters
    private var streamsOpened: SampledCounters
    private var protocolBytes: SampledCounters
    private var limitRefusals: SampledCounters

    init(_ factory: any MetricsFactory) {
        func meter(_ description: MetricDescription) -> Meter { Meter(label: description.name, factory: factory) }
        self.connections = MetricFamily(Names.connections, factory)
        self.roundTrip = MetricFamily(Names.roundTrip, factory)
        self.pendingArrivals = meter(Names.pendingArrivals)
        self.pendingDials = meter(Names.pendingDials)
        self.streams = MetricFamily(Names.streams, factory)
        self.limit = MetricFamily(Names.limit, factory)
        self.limitUse = MetricFamily(Names.limitUse, factory)
        self.limitPeak = MetricFamily(Names.limitPeak, factory)
        self.heldBytes = meter(Names.heldBytes)
        self.tasks = meter(Names.tasks)
        self.queueDepth = MetricFamily(Names.queueDepth, factory)
        self.bytes = SampledCounters(Names.bytes, factory)
        self.congestionEvents = SampledCounters(Names.congestionEvents, factory)
        self.streamsOpened = SampledCounters(Names.streamsOpened, factory)
        self.protocolBytes = SampledCounters(Names.protocolBytes, factory)
        self.limitRefusals = SampledCounters(Names.limitRefusals, factory)
    }

    /// - Parameter finished: what connections carried that have ended, by transport.
    mutating func take(_ sample: HostSample, finished: [String: ConnectionTraffic]) {
        self.pendingArrivals.set(sample.statistics.pending)
        self.pendingDials.set(sample.statistics.dials)
        self.heldBytes.set(sample.statistics.heldBytes)
        self.tasks.set(sample.statistics.tasks)
        self.take(sample.connections, finished)
        for limit in sample.limits {
            self.limit[limit.name].set(limit.limit)
            self.limitUse[limit.name].set(limit.use)
            self.limitPeak[limit.name].set(limit.peak)
            self.limitRefusals.set(UInt64(clamping: limit.refusals), [limit.name])
        }
        for queue in sample.queues { self.queueDepth[queue.name].set(queue.depth) }
        for count in sample.protocols {
            self.streams[count.name, Labels.outbound].set(count.openNow)
            self.streams[count.name, Labels.inbound].set(count.servedNow)
            self.streamsOpened.set(count.opened, [count.name, Labels.outbound])
            self.streamsOpened.set(count.served, [count.name, Labels.inbound])
            self.protocolBytes.set(count.bytesIn, [count.name, Labels.inbound])
            self.protocolBytes.set(count.bytesOut, [count.name, Labels.outbound])
        }
    }

    private mutating func take(_ connections: [ConnectionSample], _ finished: [String: ConnectionTraffic]) {
        var counts: [[String]: Int] = [:]
        var traffic = finished
        var roundTrips: [String: [Double]] = [:]
        for sample in connections {
            let labels = sample.connection.labels
            counts[labels, default: 0] += 1
            traffic[labels[0], default: ConnectionTraffic()].add(sample.traffic)
            if let roundTrip = sample.traffic.roundTrip { roundTrips[labels[0], default: []].append(roundTrip / .seconds(1)) }
        }
        self.connections.set(counts)
        for (transport, sum) in traffic {
            self.bytes.set(sum.bytesIn, [transport, Labels.inbound])
            self.bytes.set(sum.bytesOut, [transport, Labels.outbound])
            if let events = sum.congestionEvents { self.congestionEvents.set(events, [transport]) }
        }
        for values in self.roundTrip.combinations where roundTrips[values[0]] == nil { self.roundTrip[values].set(0) }
        for (transport, unsorted) in roundTrips {
            let sorted = unsorted.sorted()
            for percentile in [50, 90, 99] {
                self.roundTrip[transport, "\(percentile)"].set(sorted[(sorted.count - 1) * percentile / 100])
            }
        }
    }
}
