public import P2PCore
import P2PPipeline

/// Has every byte transport behind it in a host's list dial through a proxy, and in no other way.
public struct Proxy: HostModule {
    private let url: ProxyURL
    private let bypass: ProxyBypass

    /// - Parameters:
    ///   - url: where the proxy is.
    ///   - bypass: what is dialled around it.
    public init(_ url: ProxyURL, except bypass: ProxyBypass = .none) {
        self.url = url
        self.bypass = bypass
    }

    /// Adds the detour.
    public func join(_ plan: inout HostPlan) async throws {
        plan.detour = ByteDetour { [url, bypass] in ProxiedTransport(through: url, over: $0, except: bypass) }
    }
}
