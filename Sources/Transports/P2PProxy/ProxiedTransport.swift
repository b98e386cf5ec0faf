package import P2PCore
package import P2PMultiaddr
package import P2PPipeline
package import P2PWebTLS

/// Dials TCP through a proxy and, but for a ``ProxyBypass``, in no other way: names are the proxy's to resolve, and nothing else leaves
/// this machine.
///
/// `/onion3` addresses can be dialled, too, through a proxy that knows them (Tor). It listens as its carrier does.
package struct ProxiedTransport: ByteTransport {
    private let proxy: ProxySetting
    private let bypass: ProxyBypass
    private let carrier: any ByteTransport
    private let tls: ClientTLS

    /// - Parameters:
    ///   - carrier: connects to the proxy itself, such as TCP.
    ///   - bypass: what the carrier dials directly.
    ///   - trust: who is believed about the certificate of a proxy that shows one.
    package init(
        through proxy: ProxySetting, over carrier: any ByteTransport, except bypass: ProxyBypass = .none,
        trust: ServerTrust = .systemRoots
    ) {
        self.proxy = proxy
        self.bypass = bypass
        self.carrier = carrier
        self.tls = ClientTLS(trust)
    }

    /// Looks at the form of the address only.
    package func canDial(_ address: Multiaddr) -> Bool {
        ProxyTarget(address).map { !self.bypass.contains($0) || self.carrier.canDial(address) } ?? false
    }

    /// Looks at the form of the address only.
    package func canListen(on address: Multiaddr) -> Bool { self.carrier.canListen(on: address) }

    /// Connects to the proxy; what it is to be told follows when the channel is upgraded.
    package func connect(to address: Multiaddr, options: DialOptions) async throws(TransportError) -> ByteChannel {
        guard let target = ProxyTarget(address) else {
            throw TransportError(.unsupportedAddress, "\(address) can't be dialled through a proxy")
        }
        guard !self.bypass.contains(target) else { return try await self.carrier.connect(to: address, options: options) }
        let proxy = try self.proxy.url()
        guard options.role == .dialer, options.localAddress == nil else {
            throw TransportError(.unsupportedOptions, "\(address): the \(proxy) chooses where it dials from, and when")
        }
        let secure: [any ChannelPreparation] = proxy.kind == .https ? [try self.tls.dialing(to: proxy.identity, as: "\(proxy)")] : []
        let bytes: ByteChannel
        // Where the proxy is, is not where the address leads.
        var options = options
        options.mayReach = nil
        do throws(TransportError) {
            bytes = try await self.carrier.connect(to: proxy.address, options: options)
        } catch {
            throw TransportError(error.code, "\(proxy): \(error.message)", cause: error.cause)
        }
        return ByteChannel(
            channel: bytes.channel, localAddress: bytes.localAddress, remoteAddress: address.withoutPeerID,
            preparations: bytes.preparations + secure + [ProxyDialing(proxy: proxy, target: target)])
    }

    /// Binds as the carrier does.
    package func bind(to address: Multiaddr) async throws(TransportError) -> any ByteListener {
        try await self.carrier.bind(to: address)
    }
}
