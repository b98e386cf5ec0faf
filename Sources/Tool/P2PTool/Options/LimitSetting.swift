import ArgumentParser
import P2P
import P2PCore

/// A limit of a node as the command line names it: what errors call it, or the setting behind the name of its part.
struct LimitSetting {
    /// Where the value goes, and what it may be.
    enum Place {
        case count(WritableKeyPath<NodeSetup, Int>, ClosedRange<Int>)
        case bytes(WritableKeyPath<NodeSetup, Int>, ClosedRange<Int>)
        case seconds(WritableKeyPath<NodeSetup, Duration>, ClosedRange<Int>)
        /// What may be switched off.
        case patience(WritableKeyPath<NodeSetup, Duration?>, ClosedRange<Int>)
    }

    let name: String
    let place: Place
    let meaning: String

    private static let counts = 1...1_000_000
    private static let orNone = 0...1_000_000
    private static let sizes = 1...(1 << 40)
    private static let sizesOrAny = 0...(1 << 40)
    private static let times = 1...86_400

    /// Every limit, in the order of `--help`.
    static var all: [LimitSetting] {
        func count(
            _ name: String, _ path: WritableKeyPath<NodeSetup, Int>, _ meaning: String, in range: ClosedRange<Int> = Self.counts
        ) -> LimitSetting { LimitSetting(name: name, place: .count(path, range), meaning: meaning) }
        func bytes(_ name: String, _ path: WritableKeyPath<NodeSetup, Int>, _ meaning: String) -> LimitSetting {
            LimitSetting(name: name, place: .bytes(path, Self.sizes), meaning: meaning)
        }
        func seconds(_ name: String, _ path: WritableKeyPath<NodeSetup, Duration>, _ meaning: String) -> LimitSetting {
            LimitSetting(name: name, place: .seconds(path, Self.times), meaning: meaning)
        }
        return [
            count("pendingInbound", \.configuration.host.limits.pendingInbound, "arrivals whose handshakes are not done"),
            count("pendingInboundPerAddress", \.configuration.host.limits.pendingInboundPerAddress, "of these from one address"),
            count("pendingInboundAllowed", \.configuration.host.limits.pendingInboundAllowed, "beside these, for --allow", in: Self.orNone),
            count("connections", \.configuration.host.limits.connections, "connections"),
            count(
                "connectionsHigh", \.configuration.host.limits.connectionsHigh, "from how many of these on the least valuable are closed"),
            count("connectionsLow", \.configuration.host.limits.connectionsLow, "to how many", in: Self.orNone),
            seconds("connectionGrace", \.configuration.host.limits.connectionGrace, "for which a new one is left alone by that"),
            count("connectionsPerPeer", \.configuration.host.limits.connectionsPerPeer, "of these with one peer"),
            count("connectionsPerAddress", \.configuration.host.limits.connectionsPerAddress, "of these with one address"),
            count("connectionsAllowed", \.configuration.host.limits.connectionsAllowed, "beside these, for --allow", in: Self.orNone),
            count("inboundStreamsPerPeer", \.configuration.host.limits.inboundStreamsPerPeer, "streams of one peer that are served"),
            count("dials", \.configuration.host.limits.dials, "dials that are under way"),
            seconds("handshakeTimeout", \.configuration.host.handshakeTimeout, "for the handshakes of one connection"),
            seconds("negotiationTimeout", \.configuration.host.negotiationTimeout, "for the protocol of a stream"),
            bytes("memory", \.configuration.host.limits.memory, "that peers make the node hold"),
            bytes("memoryPerPeer", \.configuration.host.limits.memoryPerPeer, "of these for one peer"),
            bytes("memoryPerNetwork", \.configuration.host.limits.memoryPerNetwork, "of these for one network (IPv4 /24, IPv6 /56)"),
            bytes("memoryAllowed", \.configuration.host.limits.memoryAllowed, "beside these, for --allow"),
            count("tasks", \.configuration.host.limits.tasks, "streams of all peers that are served, each with a task"),
            bytes("memoryKept", \.configuration.host.limits.memoryKept, "of these for what is remembered of peers"),
            bytes("windowBudget", \.configuration.windowBudget, "growth of all receive windows together"),
            count("waiting", \.webSockets.configuration.limits.waiting, "on shared ports: who has not said what it is"),
            count("waitingPerAddress", \.webSockets.configuration.limits.waitingPerAddress, "of these from one address"),
            count("waitingAllowed", \.webSockets.configuration.limits.waitingAllowed, "beside these, for the known", in: Self.orNone),
            count("serving", \.webSockets.configuration.limits.serving, "web clients that are served"),
            count("servingPerAddress", \.webSockets.configuration.limits.servingPerAddress, "of these from one address"),
            seconds("patience", \.webSockets.configuration.limits.patience, "for a web client's request"),
            LimitSetting(
                name: "idle", place: .patience(\.webSockets.configuration.limits.idle, Self.times), meaning: "of a web client's silence"),
            bytes("content", \.webSockets.configuration.limits.content, "content of a request"),
            seconds("lingering", \.webSockets.configuration.limits.lingering, "for a web client's last bytes"),
            bytes("lingeringContent", \.webSockets.configuration.limits.lingeringContent, "of these"),
            count("quic.handshakes", \.quic.configuration.maximumHandshakes, "arrivals and handshakes on one socket"),
            count("quic.inboundStreams", \.quic.configuration.maximumInboundStreams, "streams that a peer has open on a connection"),
            count("quic.streams", \.quic.configuration.maximumStreams, "streams of a connection"),
            count("quic.resets", \.quic.configuration.maximumResets, "streams that a peer may reset in a while"),
            count("yamux.streams", \.yamux.maximumStreams, "streams of a connection"),
            count("yamux.backlog", \.yamux.maximumBacklog, "of these that nobody has taken yet"),
            count("yamux.pendingPongs", \.yamux.maximumPendingPongs, "pings that wait for their answer"),
            count("yamux.offences", \.yamux.maximumOffences, "resets and idle frames in a while"),
            count("mplex.streams", \.mplex.maximumStreams, "streams of a connection"),
            count("mplex.backlog", \.mplex.maximumBacklog, "of these that nobody has taken yet"),
            bytes("mplex.unread", \.mplex.maximumUnread, "that wait for the reader of a stream"),
            bytes("mplex.unreadTogether", \.mplex.maximumUnreadTogether, "that wait for all readers of a connection"),
            count("mplex.offences", \.mplex.maximumOffences, "resets and idle frames in a while"),
            count("relay.reservations", \.relayLimits.reservations, "with --relay-service: places for others"),
            count("relay.reservationsPerAddress", \.relayLimits.reservationsPerAddress, "of these for one address"),
            count("relay.reservationsPerNetwork", \.relayLimits.reservationsPerNetwork, "of these for one /16, or /32 of IPv6"),
            seconds("relay.lifetime", \.relayLimits.reservationLifetime, "of a place that is not asked for again"),
            count("relay.circuits", \.relayLimits.circuits, "circuits"),
            count("relay.circuitsPerPeer", \.relayLimits.circuitsPerPeer, "of these that one peer has, at either end"),
            LimitSetting(
                name: "relay.duration", place: .patience(\.relayLimits.circuitDuration, Self.times), meaning: "of a circuit's life"),
            LimitSetting(
                name: "relay.data", place: .bytes(\.relayData, Self.sizesOrAny),
                meaning: "that pass over a circuit each way, 0 for any number"),
        ]
    }

    /// What there is, for people: each with its default and unit.
    static var list: String {
        let defaults = NodeSetup()
        return Self.all.map { "\($0.name) (\($0.value(in: defaults))): \($0.meaning)" }.joined(separator: "\n")
    }

    /// The value as JSON: a number, of seconds for a time; null for what is switched off.
    func number(in setup: NodeSetup) -> JSONValue {
        switch self.place {
        case .count(let path, _), .bytes(let path, _): .integer(setup[keyPath: path])
        case .seconds(let path, _): .seconds(setup[keyPath: path])
        case .patience(let path, _): setup[keyPath: path].map(JSONValue.seconds) ?? .null
        }
    }

    /// What the value counts.
    var unit: String {
        switch self.place {
        case .count: "count"
        case .bytes: "bytes"
        case .seconds, .patience: "seconds"
        }
    }

    /// The value with its unit, for people.
    func value(in setup: NodeSetup) -> String {
        switch self.place {
        case .count(let path, _): "\(setup[keyPath: path])"
        case .bytes(let path, _): "\(setup[keyPath: path]) bytes"
        case .seconds(let path, _): "\(setup[keyPath: path].components.seconds) seconds"
        case .patience(let path, _): setup[keyPath: path].map { "\($0.components.seconds) seconds" } ?? Self.off
        }
    }

    /// What a value may be, for people.
    private var range: String {
        switch self.place {
        case .count(_, let range): "a number from \(range.lowerBound) to \(range.upperBound)"
        case .bytes(_, let range): "a number of bytes from \(range.lowerBound) to \(range.upperBound), such as 65536 or 16MiB"
        case .seconds(_, let range): "a number of seconds, more than 0 and at most \(range.upperBound), such as 10 or 0.5"
        case .patience(_, let range): "a number of seconds, more than 0 and at most \(range.upperBound), or \(Self.off)"
        }
    }

    private static let off = "off"

    /// Sets the value; false when it is none.
    private func set(_ text: String, in setup: inout NodeSetup) -> Bool {
        switch self.place {
        case .count(let path, let range):
            guard text.utf8.allSatisfy({ (0x30...0x39).contains($0) }), let number = Int(text), range.contains(number) else { return false }
            setup[keyPath: path] = number
        case .bytes(let path, let range):
            guard let size = ByteSize(argument: text), let number = Int(exactly: size.bytes), range.contains(number) else { return false }
            setup[keyPath: path] = number
        case .seconds(let path, let range):
            guard let seconds = Self.seconds(text, range) else { return false }
            setup[keyPath: path] = seconds
        case .patience(let path, let range):
            let seconds = Self.seconds(text, range)
            guard seconds != nil || text == Self.off else { return false }
            setup[keyPath: path] = seconds
        }
        return true
    }

    private static func seconds(_ text: String, _ range: ClosedRange<Int>) -> Duration? {
        Seconds(argument: text).map(\.duration).flatMap { $0 > .zero && $0 <= .seconds(range.upperBound) ? $0 : nil }
    }

    /// Sets what the options say, each `NAME=VALUE`.
    ///
    /// - Throws: what is wrong with one of them, and what there is.
    static func apply(_ options: [String], to setup: inout NodeSetup) throws {
        let all = Self.all
        var wanted: [String: (text: String, option: String)] = [:]
        for option in options {
            let parts = option.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false).map(String.init)
            guard parts.count == 2 else {
                throw ValidationError("--limit \(option) has no value: it is NAME=VALUE, such as connectionsPerAddress=1000.")
            }
            guard let setting = all.first(where: { $0.name == parts[0] }) else {
                throw ValidationError("There is no limit named \(parts[0]). There are:\n\(Self.list)")
            }
            guard wanted.updateValue((parts[1], option), forKey: setting.name) == nil else {
                throw ValidationError("--limit names \(setting.name) twice.")
            }
        }
        // In the order of the list: some set the default of those behind them.
        for setting in all {
            guard let (text, option) = wanted[setting.name] else { continue }
            guard setting.set(text, in: &setup) else {
                throw ValidationError("--limit \(option): \(setting.name) (\(setting.meaning)) is \(setting.range).")
            }
        }
    }
}
