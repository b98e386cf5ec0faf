import NIOCore
import P2PCore
import P2PMultiaddr
import P2PPipeline
import P2PTCP
import Synchronization

/// TCP whose arrivals come from an address of the test's choosing; loopback is exempt from every limit per address.
final class Elsewhere: ByteTransport {
    private let tcp = TCPTransport()
    private let remote: Mutex<Multiaddr>
    /// Our ends of what has arrived.
    let arrived = Inbox<any Channel, Never>(limit: 64)

    init(_ address: Multiaddr) { self.remote = Mutex(address) }

    /// Where the next arrivals come from.
    func move(to address: Multiaddr) { self.remote.withLock { $0 = address } }

    func canDial(_ address: Multiaddr) -> Bool { self.tcp.canDial(address) }
    func canListen(on address: Multiaddr) -> Bool { self.tcp.canListen(on: address) }

    func connect(to address: Multiaddr, options: DialOptions) async throws(TransportError) -> ByteChannel {
        try await self.tcp.connect(to: address, options: options)
    }

    func bind(to address: Multiaddr) async throws(TransportError) -> any ByteListener {
        Listener(tcp: try await self.tcp.bind(to: address), elsewhere: self)
    }

    private struct Listener: ByteListener {
        let tcp: any ByteListener
        let elsewhere: Elsewhere

        var addresses: [Multiaddr] { self.tcp.addresses }
        var addressChanges: AddressChanges { self.tcp.addressChanges }

        func run(_ onArrival: @escaping @Sendable (ByteChannel) async -> Void) async throws {
            try await self.tcp.run { bytes in
                let remote = self.elsewhere.remote.withLock { $0 }
                _ = self.elsewhere.arrived.offer(bytes.channel)
                await onArrival(ByteChannel(channel: bytes.channel, localAddress: bytes.localAddress, remoteAddress: remote))
            }
        }
    }
}
