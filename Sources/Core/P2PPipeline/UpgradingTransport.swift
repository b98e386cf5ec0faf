import NIOCore
package import P2PCore
package import P2PIdentity
package import P2PMultiaddr
import Synchronization

/// Makes a ``Transport`` of a ``ByteTransport`` and the ``Upgrader`` that all of a host's byte transports share.
package struct UpgradingTransport: Transport {
    private let bytes: any ByteTransport
    private let upgrader: Upgrader

    /// A transport of bytes and what upgrades them.
    package init(_ bytes: any ByteTransport, upgrader: Upgrader) {
        self.bytes = bytes
        self.upgrader = upgrader
    }

    /// Looks at the form of the address only.
    package func canDial(_ address: Multiaddr) -> Bool { self.bytes.canDial(address) }
    /// Looks at the form of the address only.
    package func canListen(on address: Multiaddr) -> Bool { self.bytes.canListen(on: address) }

    /// Connects, and runs the handshakes of private network, security and muxer over the connection.
    package func dial(
        _ address: Multiaddr, expecting peer: PeerID?, options: DialOptions
    ) async throws(TransportError) -> any MuxedConnection {
        let bytes = try await self.connect(to: address, options)
        return try await self.upgrader.upgrade(
            bytes, role: options.role, isDialled: true, expecting: peer, deadline: options.deadline, onConnected: options.onConnected)
    }

    private func connect(to address: Multiaddr, _ options: DialOptions) async throws(TransportError) -> ByteChannel {
        let step = Observation.current?.begin(.step(.connecting))
        do throws(TransportError) {
            let bytes = try await self.bytes.connect(to: address, options: options)
            step.end(.done)
            return bytes
        } catch {
            step.end(.failed(error))
            throw error
        }
    }

    /// Binds; arrivals are upgraded when they are accepted.
    package func listen(on address: Multiaddr) async throws(TransportError) -> any TransportListener {
        UpgradingListener(bytes: try await self.bytes.bind(to: address), upgrader: self.upgrader)
    }
}

struct UpgradingListener: TransportListener {
    let bytes: any ByteListener
    let upgrader: Upgrader

    var addresses: [Multiaddr] { self.bytes.addresses }
    var addressChanges: AddressChanges { self.bytes.addressChanges }

    func run(_ onArrival: @escaping @Sendable (any PendingConnection) async -> Void) async throws {
        try await self.bytes.run { bytes in
            let pending = PendingUpgrade(bytes: bytes, upgrader: self.upgrader)
            await onArrival(pending)
            pending.refuse()
        }
    }
}

/// An accepted channel before its handshakes.
final class PendingUpgrade: PendingConnection {
    private let bytes: ByteChannel
    private let upgrader: Upgrader
    private let isDecided = Atomic<Bool>(false)

    init(bytes: ByteChannel, upgrader: Upgrader) {
        self.bytes = bytes
        self.upgrader = upgrader
    }

    deinit {
        self.refuse()
    }

    var localAddress: Multiaddr { self.bytes.localAddress }
    var remoteAddress: Multiaddr { self.bytes.remoteAddress }
    var progress: ArrivalProgress? { self.bytes.progress }
    var isLetIn: Bool { self.bytes.isLetIn }

    func accept() async throws(TransportError) -> any MuxedConnection {
        guard !self.isDecided.exchange(true, ordering: .relaxed) else {
            throw TransportError(.closed, "the arrival from \(self.remoteAddress) was decided on before")
        }
        return try await self.upgrader.upgrade(
            self.bytes, role: self.upgrader.arrivalRoles.role(on: self.bytes.remoteAddress), isDialled: false, expecting: nil,
            deadline: .now() + self.upgrader.inboundTimeout)
    }

    func refuse() {
        if !self.isDecided.exchange(true, ordering: .relaxed) { self.bytes.channel.close(promise: nil) }
    }
}
