public import P2PCore
public import P2PIdentity
import P2PPipeline

/// Dials through relays and listens at them: addresses with `/p2p-circuit` are dialled, and may be listened on, as any other.
///
/// ```swift
/// let host = try await PeerHost.standard(modules: .standard.adding(RelayClient()))
/// try await host.listen(on: Multiaddr("/ip4/…/tcp/4001/p2p/RELAY/p2p-circuit"))
/// ```
///
/// Such a listener has no address before the relay has given it a place, which ``HostEvent/listening(_:)`` tells; it keeps the place, asks for
/// another one whenever it is lost, and never fails. Connections over a circuit are the host's own, with its secure channels and muxers
/// between the two ends; those that the relay limits (``ConnectionInfo/isLimited``) carry only protocols that opt in
/// (``ProtocolHandler/servesLimitedConnections``). No circuit leads over two relays.
public final class RelayClient: HostModule {
    /// What happens to this node's places at relays.
    public enum Event: Sendable {
        /// A relay has given a place, or has renewed it.
        case reserved(RelayReservation)
        /// A relay gave none; it is asked again.
        case refused(relay: PeerID, reason: String)
        /// The connection to the relay has ended, and the place with it; another one is asked for.
        case lost(relay: PeerID)
    }

    /// Events that wait; the oldest make room.
    private static let backlog = 64

    /// What happens, for one consumer; the newest 64 wait.
    public let events: AsyncStream<Event>
    private let event: AsyncStream<Event>.Continuation
    private let pending = LentPlaces(limit: CircuitRoom.pendingLimit)

    /// A client for one host.
    public init() {
        (self.events, self.event) = AsyncStream.makeStream(bufferingPolicy: .bufferingNewest(Self.backlog))
    }

    /// Adds the transport, the protocol by which relays offer circuits, and the task that watches the connections to relays.
    ///
    /// - Throws: ``TransportError/Code/invalidConfiguration`` when there is no upgrader yet.
    public func join(_ plan: inout HostPlan) async throws {
        guard let upgrader = plan.upgrader else {
            throw TransportError(
                .invalidConfiguration, "circuits need secure channels and muxers: name Upgrading before RelayClient in the list of modules")
        }
        let event = self.event
        let room = CircuitRoom(plan, upgrader: upgrader, pending: self.pending) { event.yield($0) }
        plan.transports.append(CircuitTransport(room: room))
        plan.handlers.append(StopProtocol(room: room))
        plan.services.append(HostService("relay client") { host in await room.follow(host.events()) })
    }

    /// Circuits that relays have offered, and that are no connections yet.
    var pendingCircuits: Int { self.pending.count }
}
