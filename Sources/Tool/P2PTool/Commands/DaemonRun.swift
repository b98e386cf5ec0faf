import Logging
import NIOCore
import P2P
import P2PCore
import P2PMultiaddr
import P2PPrometheus

/// What a daemon prints while its host runs.
struct DaemonRun: Sendable {
    private static let logger = Logger(label: "p2p.daemon")

    /// Its host does not run yet.
    let session: NodeSession
    let console: Console
    /// What is shown of it; nil for nothing.
    let metrics: NodeMetrics?
    /// Where other commands ask what it holds; nil for nowhere.
    var control: ControlSocket?
    let reachability: ReachabilityWatch
    /// Where others find what is known of it; nil for nowhere.
    let reachFile: ReachFile?
    /// The hash table that the node is a member of; nil for none.
    let dht: Kademlia?

    private var host: PeerHost { self.session.host }

    /// Listens, lets the host run, and prints what happens until cancelled, which is how a daemon is meant to end.
    func run(_ addresses: [Multiaddr]) async throws {
        let events = self.host.events()
        let snapshotRequests = await ProcessSignals.snapshotRequests()
        let policyRequests = self.session.policy == nil ? nil : await ProcessSignals.policyRequests()
        let outcome = try await self.host.listen(on: addresses)
        var announced: Set<Multiaddr> = []
        for bound in outcome.addresses where announced.insert(bound).inserted { self.print(listening: bound) }
        for omission in outcome.leftOut { self.print(omission) }
        let socket = self.control?.bind()
        let endpoint = try await self.metrics?.open()
        if let endpoint {
            self.console.announce(["event": "metrics", "url": .string(endpoint.url)], "metrics at \(endpoint.url)")
        }
        let reachability = self.reachability.changes
        let changesForTable = self.dht.map { ($0, self.reachability.changes) }
        self.session.begin()
        await self.host.waitUntilRunning()
        try Task.checkCancellation()
        self.console.announce(["event": "ready", "peer": .text(self.host.peerID)], "ready, as \(self.host.peerID)")

        let printed = announced
        await withTaskGroup(of: Void.self) { group in
            group.addTask {
                for await _ in snapshotRequests { self.printSnapshot() }
            }
            if let control = self.control, let socket {
                let answers = DaemonAnswers(host: self.host)
                group.addTask { await control.serve(on: socket) { answers.answer(to: $0) } }
            }
            if let policy = self.session.policy, let policyRequests {
                group.addTask {
                    for await _ in policyRequests {
                        let (event, text) = policy.readAgain()
                        self.console.announce(event, text)
                    }
                }
            }
            group.addTask {
                for await event in self.session.relayClient.events { self.print(event) }
            }
            group.addTask {
                for await report in self.session.holePunching.reports { self.console.announce(report.object, report.text) }
            }
            group.addTask { await self.print(reachability) }
            if let (dht, changes) = changesForTable {
                group.addTask {
                    for await change in changes { dht.setReachable(change.state == .public) }
                }
            }
            group.addTask { await self.print(events, except: printed) }
        }
        await endpoint?.close()
    }

    /// Prints what a script can see a difference in, and keeps all of it for `p2p reach`.
    private func print(_ changes: AsyncStream<Reachability>) async {
        var printed = Reachability(ReachabilityFacts()).object
        self.keep(self.reachability.reachability)
        for await change in changes {
            self.keep(change)
            guard change.object != printed else { continue }
            printed = change.object
            self.console.announce(change.object, change.summary)
        }
    }

    private func keep(_ reachability: Reachability) {
        do {
            try self.reachFile?.write(reachability)
        } catch {
            Self.logger.notice("what is known of the node's reachability can't be kept", metadata: ["reason": "\(error)"])
        }
    }

    private func print(_ events: HostEvents, except announced: Set<Multiaddr>) async {
        var throttle = LogThrottle()
        var announced = announced
        let discovered = SeenPeers()
        for await event in events {
            switch event {
            case .listening(let address):
                if announced.insert(address).inserted { self.print(listening: address) }
            case .stoppedListening(let address):
                announced.remove(address)
                self.console.announce(["event": "stopped_listening", "address": .text(address)], "stopped listening on \(address)")
            // Printed before the node was ready.
            case .leftOut: break
            case .connected(let connection):
                let direction = connection.isDialled ? "outbound" : "inbound"
                self.console.announce(
                    [
                        "event": "connected", "peer": .text(connection.remotePeer), "address": .text(connection.remoteAddress),
                        "direction": .string(direction), "security": .text(connection.security), "muxer": .text(connection.muxer),
                        "early_muxer": .bool(connection.wasMuxerEarly), "limited": .bool(connection.isLimited),
                        "connection": .text(connection.id),
                    ],
                    """
                    connected \(connection.remotePeer) \(connection.remoteAddress) \(direction) \(connection.security) \(connection.muxer)\
                    \(connection.isLimited ? " limited" : "")
                    """)
            case .disconnected(let connection, let reason):
                self.console.announce(
                    [
                        "event": "disconnected", "peer": .text(connection.remotePeer), "reason": .text(reason.code),
                        "connection": .text(connection.id),
                    ],
                    "disconnected \(connection.remotePeer): \(reason.code)")
                self.log(reason, on: connection, &throttle)
            case .identified:
                break
            case .discovered(let found):
                if discovered.isNews(found) { self.console.announce(.discovered(found), found.text) }
            case .arrivalFailed(let address, let error):
                self.log("an arrival was refused or failed", kind: error.code.description, from: address, error, &throttle)
            default:
                let other = EventText(event)
                self.console.announce(other.object, other.text)
            }
        }
    }

    private func log(_ reason: ConnectionError, on connection: ConnectionInfo, _ throttle: inout LogThrottle) {
        let ordinary: [ConnectionError.Code] = [.closed, .closedByPeer, .lost, .goingAway, .cancelled]
        guard !ordinary.contains(reason.code) else { return }
        self.log(
            "a connection failed", kind: "connection \(reason.code)", from: connection.remoteAddress, reason, on: connection.id, &throttle)
    }

    private func log(
        _ what: String, kind: String, from address: Multiaddr, _ error: any CodedError, on connection: ConnectionID? = nil,
        _ throttle: inout LogThrottle
    ) {
        guard let suppressed = throttle.admit(kind, at: .now()) else { return }
        var metadata: Logger.Metadata = ["address": "\(address)", "reason": "\(error)"]
        if let connection { metadata["connection"] = "\(connection)" }
        if suppressed > 0 { metadata["more_like_it"] = "\(suppressed)" }
        Self.logger.notice("\(what)", metadata: metadata)
    }

    private func print(_ event: RelayClient.Event) {
        switch event {
        case .reserved(let place):
            let address = place.addresses.first
            self.console.announce(
                [
                    "event": "reserved", "relay": .text(place.relay), "address": address.map(JSONValue.text) ?? .null,
                    "expires": .integer(Int(place.expiration)), "limit_bytes": place.limit?.data.map(JSONValue.unsigned) ?? .null,
                    "limit_seconds": place.limit?.duration.map(JSONValue.seconds) ?? .null,
                ],
                "a place at relay \(place.relay)\(place.limit.map { ", which lends \($0)" } ?? "")")
        case .refused(let relay, let reason):
            Self.logger.notice("a relay gave no place", metadata: ["relay": "\(relay)", "reason": "\(reason)"])
        case .lost(let relay):
            Self.logger.notice("a place at a relay is lost", metadata: ["relay": "\(relay)"])
        }
    }

    private func print(listening address: Multiaddr) {
        self.console.announce(["event": "listening", "address": .text(address)], "listening on \(address)")
    }

    private func print(_ omission: ListenOutcome.Omission) {
        self.console.announce(
            [
                "event": "left_out", "address": .text(omission.address), "code": .text(omission.error.code),
                "message": .string(omission.error.message),
            ],
            "not listening on \(omission.address): \(omission.error.message)")
    }

    private func printSnapshot() {
        if let held = self.dht?.statistics { self.console.announce(held.object, held.text) }
        let held = self.host.statistics()
        let process = ProcessSnapshot.take()
        let limits = self.host.limits() + [process.descriptors]
        self.console.announce(
            [
                "event": "stats", "connections": .integer(held.connections), "streams": .integer(held.streams),
                "pending": .integer(held.pending), "fds": .integer(process.fileDescriptors), "tasks": .integer(held.tasks),
                "rss_bytes": .integer(process.residentBytes), "bytes_in": .unsigned(held.bytesIn), "bytes_out": .unsigned(held.bytesOut),
                "held_bytes": .integer(held.heldBytes), "limits": .array(limits.map { .object($0.object) }),
                "relay": self.session.relayService.map { .object($0.statistics.object) } ?? .null,
            ],
            """
            \(held.connections) connections, \(held.streams) streams, \(held.pending) pending, \(process.fileDescriptors) file descriptors, \
            \(held.tasks) tasks, \(process.residentBytes) bytes resident, \(held.bytesIn) bytes in, \(held.bytesOut) bytes out, \
            \(held.heldBytes) bytes held; limits:
            \(limits.map(\.text).joined(separator: "\n"))
            """)
    }
}

extension RelayStatistics {
    fileprivate var object: JSONObject {
        ["reservations": .integer(self.reservations), "circuits": .integer(self.circuits), "bytes": .unsigned(self.bytes)]
    }
}

extension HolePunching.Report {
    /// The event of one attempt.
    var object: JSONObject {
        [
            "event": "punch", "peer": .text(self.peer), "attempt": .integer(self.attempt),
            "transport": self.transport.map { .string($0.rawValue) } ?? .null, "result": self.failure == nil ? "direct" : "failed",
            "reason": self.failure.map(JSONValue.string) ?? .null, "ms": .milliseconds(self.duration),
        ]
    }

    /// The same for people.
    var text: String {
        let what = self.attempt == 0 ? "a plain dial" : "attempt \(self.attempt)"
        let over = self.transport.map { " over \($0.rawValue)" } ?? ""
        return "\(what) at a direct connection to \(self.peer)\(over): \(self.failure ?? "direct") (\(Milliseconds(self.duration)) ms)"
    }
}
