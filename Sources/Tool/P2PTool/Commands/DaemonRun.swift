import Logging
import NIOCore
import P2P
import P2PCore
import P2PMultiaddr

/// What a daemon prints while its host runs.
struct DaemonRun: Sendable {
    private static let logger = Logger(label: "p2p.daemon")

    let host: PeerHost
    let console: Console
    /// What the node is held to; nil for nothing.
    let policy: PolicyInForce?

    /// Listens, then prints what happens until cancelled, which is how a daemon is meant to end.
    func run(_ addresses: [Multiaddr]) async throws {
        let events = self.host.events()
        let snapshotRequests = await ProcessSignals.snapshotRequests()
        let policyRequests = self.policy == nil ? nil : await ProcessSignals.policyRequests()
        let outcome = try await self.host.listen(on: addresses)
        var announced: Set<Multiaddr> = []
        for bound in outcome.addresses where announced.insert(bound).inserted { self.print(listening: bound) }
        for omission in outcome.leftOut { self.print(omission) }
        self.console.announce(["event": "ready", "peer": .text(self.host.peerID)], "ready, as \(self.host.peerID)")

        let printed = announced
        await withTaskGroup(of: Void.self) { group in
            group.addTask {
                for await _ in snapshotRequests { self.printSnapshot() }
            }
            if let policy = self.policy, let policyRequests {
                group.addTask {
                    for await _ in policyRequests {
                        let (event, text) = policy.readAgain()
                        self.console.announce(event, text)
                    }
                }
            }
            group.addTask { await self.print(events, except: printed) }
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
                        "early_muxer": .bool(connection.wasMuxerEarly),
                    ],
                    "connected \(connection.remotePeer) \(connection.remoteAddress) \(direction) \(connection.security) \(connection.muxer)"
                )
            case .disconnected(let connection, let reason):
                self.console.announce(
                    ["event": "disconnected", "peer": .text(connection.remotePeer), "reason": .text(reason.code)],
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
        self.log("a connection failed", kind: "connection \(reason.code)", from: connection.remoteAddress, reason, &throttle)
    }

    private func log(_ what: String, kind: String, from address: Multiaddr, _ error: any CodedError, _ throttle: inout LogThrottle) {
        guard let suppressed = throttle.admit(kind, at: .now()) else { return }
        var metadata: Logger.Metadata = ["address": "\(address)", "reason": "\(error)"]
        if suppressed > 0 { metadata["more_like_it"] = "\(suppressed)" }
        Self.logger.notice("\(what)", metadata: metadata)
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
        let held = self.host.statistics()
        let process = ProcessSnapshot.take()
        let limits = self.host.limits()
        self.console.announce(
            [
                "event": "stats", "connections": .integer(held.connections), "streams": .integer(held.streams),
                "pending": .integer(held.pending), "fds": .integer(process.fileDescriptors), "tasks": .integer(held.tasks),
                "rss_bytes": .integer(process.residentBytes), "bytes_in": .unsigned(held.bytesIn), "bytes_out": .unsigned(held.bytesOut),
                "held_bytes": .integer(held.heldBytes), "limits": .array(limits.map { .object($0.object) }),
            ],
            """
            \(held.connections) connections, \(held.streams) streams, \(held.pending) pending, \(process.fileDescriptors) file descriptors, \
            \(held.tasks) tasks, \(process.residentBytes) bytes resident, \(held.bytesIn) bytes in, \(held.bytesOut) bytes out, \
            \(held.heldBytes) bytes held; limits:
            \(limits.map(\.text).joined(separator: "\n"))
            """)
    }
}
