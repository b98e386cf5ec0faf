/// What a node has around it that a module must not work around.
public struct HostSurroundings: Sendable, Hashable {
    /// Everything that is dialled goes through a proxy: nothing else may leave, questions to name servers and multicast included.
    public var isProxied: Bool
    /// The proxy as messages name it, such as the variable of the environment that asks for it.
    public var proxyName: String
    /// The fingerprint of the node's private network, which says nothing of its key; nil on the public network.
    public var privateNetwork: String?

    /// By default the public network, without a proxy.
    public init(isProxied: Bool = false, proxyName: String = "the proxy", privateNetwork: String? = nil) {
        self.isProxied = isProxied
        self.proxyName = proxyName
        self.privateNetwork = privateNetwork
    }
}
