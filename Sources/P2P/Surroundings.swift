import P2PCore
import P2PPipeline
public import P2PPrivateNetwork
public import P2PProxy
public import P2PWebTLS

/// What a node has around it; modules see it as ``HostSurroundings`` and refuse what it forbids.
public struct Surroundings: Sendable {
    /// What every dial goes through, names unresolved; nil dials directly. Listening does not change. A proxy of the environment
    /// (``ProxySetting/confines``) leaves local discovery alone, and QUIC all but its dials.
    public var proxy: ProxySetting?
    /// What is dialled around the proxy: nothing, unless somebody says so.
    public var proxyBypass: ProxyBypass
    /// Who is believed about the certificate of a proxy that shows one (`https://`).
    public var proxyTrust: ServerTrust
    /// Makes the node a member of the private network of this key; it then reaches no other peers, and no others reach it. Nil for the
    /// public network. Needs the package trait `Sodium`.
    public var privateNetworkKey: PreSharedKey?

    /// By default the public network, without a proxy.
    public init(
        proxy: ProxySetting? = nil, proxyBypass: ProxyBypass = .none, proxyTrust: ServerTrust = .systemRoots,
        privateNetworkKey: PreSharedKey? = nil
    ) {
        self.proxy = proxy
        self.proxyBypass = proxyBypass
        self.proxyTrust = proxyTrust
        self.privateNetworkKey = privateNetworkKey
    }

    /// The proxy, unless everything goes around it.
    private var effectiveProxy: ProxySetting? { self.proxyBypass.isEverything ? nil : self.proxy }

    /// What has the transports behind it dial through the proxy, if there is one.
    var detour: [any HostModule] {
        self.effectiveProxy.map { [Proxy($0, except: self.proxyBypass, trust: self.proxyTrust)] } ?? []
    }

    /// As modules see it.
    func facts() throws -> HostSurroundings {
        let proxy = self.effectiveProxy
        return HostSurroundings(
            isProxied: proxy != nil, isConfined: proxy?.confines ?? false, proxyName: proxy?.name ?? "the proxy",
            privateNetwork: try self.privateNetworkKey?.fingerprint())
    }

    /// What lies below negotiation: nothing on the public network, unless the environment forbids that.
    func protector(isForced: Bool = PrivateNetwork.isForced) throws(TransportError) -> (any ConnectionProtector)? {
        guard let key = self.privateNetworkKey else {
            guard !isForced else {
                throw TransportError(
                    .privateNetworkRequired,
                    """
                    \(PrivateNetwork.variable)=1 forbids a node without a private network's key: give it one (--psk FILE, or \
                    Surroundings.privateNetworkKey), or unset the variable
                    """)
            }
            return nil
        }
        do throws(PrivateNetworkError) {
            return try PrivateNetwork(key: key)
        } catch {
            throw TransportError(error.code == .notBuiltIn ? .notBuiltIn : .protectionFailed, error.message, cause: error)
        }
    }
}
