public import NIOCore
public import P2PCore
public import P2PMultiaddr
public import P2PPipeline

/// Carries bytes between peers of one process, on `/memory/<name>` addresses. An upgrader above it runs the real
/// handshakes and the real muxer, without a socket.
public struct MemoryByteTransport: ByteTransport {
    /// Bytes on the way, each way; a stream's buffers come on top.
    static let window = 256 * 1_024

    private let network: MemoryNetwork
    private let group: any EventLoopGroup

    /// - Parameters:
    ///   - network: what addresses are looked up in.
    ///   - group: where the channels' pipelines run.
    public init(network: MemoryNetwork, group: any EventLoopGroup) {
        self.network = network
        self.group = group
    }

    /// Looks at the form of the address only.
    public func canDial(_ address: Multiaddr) -> Bool { MemoryNetwork.name(in: address) != nil }
    /// Looks at the form of the address only.
    public func canListen(on address: Multiaddr) -> Bool { MemoryNetwork.name(in: address) != nil }

    /// Connects to the listener of that name in the same network.
    public func connect(to address: Multiaddr, options: DialOptions) async throws(TransportError) -> ByteChannel {
        guard let name = MemoryNetwork.name(in: address) else {
            throw TransportError(.unsupportedAddress, "\(address) is not a /memory address")
        }
        if Task.isCancelled { throw TransportError(.cancelled, "the dial of \(address) was cancelled") }
        guard options.deadline > .now() else { throw TransportError(.timedOut, "the deadline passed before \(address) was dialled") }
        guard let arrivals = self.network.listener(named: name) else {
            throw TransportError(.unreachable, "nobody listens on \(address)")
        }
        let remote = address.withoutPeerID
        let local: Multiaddr
        do {
            local = try options.localAddress ?? Multiaddr(memory: self.network.unusedName())
        } catch {
            throw TransportError(.invalidAddress, "there is no local address for \(address)", cause: error)
        }
        let (opener, acceptor) = MemoryStreamPair.connected(window: Self.window)
        let arrival = ByteChannel(
            channel: await self.channel(over: acceptor), localAddress: remote, remoteAddress: local, progress: ArrivalProgress())
        let channel = await self.channel(over: opener)
        guard arrivals.offer(arrival) else {
            arrival.channel.close(promise: nil)
            channel.close(promise: nil)
            throw TransportError(.unreachable, "\(address) has too many arrivals that nobody has taken")
        }
        return ByteChannel(channel: channel, localAddress: local, remoteAddress: remote)
    }

    private func channel(over stream: PeerStream) async -> StreamChannel {
        let eventLoop = self.group.next()
        let channel = StreamChannel(stream, on: eventLoop, autoRead: false)
        await withCheckedContinuation { continuation in
            eventLoop.execute {
                channel.activate()
                continuation.resume()
            }
        }
        return channel
    }

    /// Listens under a name of the network.
    public func bind(to address: Multiaddr) async throws(TransportError) -> any ByteListener {
        guard var name = MemoryNetwork.name(in: address) else {
            throw TransportError(.unsupportedAddress, "\(address) is not a /memory address")
        }
        if name == "0" { name = self.network.unusedName() }
        let bound: Multiaddr
        do {
            bound = try Multiaddr(memory: name)
        } catch {
            throw TransportError(.invalidAddress, "\(address) can't be listened on", cause: error)
        }
        guard let listener = MemoryByteListener(name: name, address: bound, network: self.network) else {
            throw TransportError(.addressInUse, "something else listens on \(bound)")
        }
        return listener
    }
}
