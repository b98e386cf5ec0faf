public import P2PCore
import P2PPipeline
public import P2PWebTLS

/// Has every byte transport behind it in a host's list dial through a proxy, and in no other way. What can't go through it dials what is excepted
/// (``DirectDials``), and nothing at all where the surroundings are confined.
public struct Proxy: HostModule {
    private let setting: ProxySetting
    private let bypass: ProxyBypass
    private let trust: ServerTrust

    /// - Parameters:
    ///   - setting: where the proxy is; read by each dial.
    ///   - bypass: what is dialled around it.
    ///   - trust: who is believed about the certificate of a proxy that shows one (`https://`).
    public init(_ setting: ProxySetting, except bypass: ProxyBypass = .none, trust: ServerTrust = .systemRoots) {
        self.setting = setting
        self.bypass = bypass
        self.trust = trust
    }

    /// - Parameters:
    ///   - url: where the proxy is.
    ///   - bypass: what is dialled around it.
    ///   - trust: who is believed about the certificate of a proxy that shows one (`https://`).
    public init(_ url: ProxyURL, except bypass: ProxyBypass = .none, trust: ServerTrust = .systemRoots) {
        self.init(ProxySetting(url), except: bypass, trust: trust)
    }

    /// Adds the detour.
    ///
    /// - Throws: ``TransportError/Code/invalidConfiguration`` where something would go around it: behind a transport in the list, or where
    ///   the surroundings do not say that there is a proxy.
    public func join(_ plan: inout HostPlan) async throws {
        guard plan.surroundings.isProxied else {
            throw TransportError(
                .invalidConfiguration, "a proxy belongs to the surroundings (isProxied), so that no other module goes around it")
        }
        guard plan.transports.isEmpty, plan.carrier == nil else {
            throw TransportError(
                .invalidConfiguration, "the transports before the proxy would go around it: name it before them in the list of modules")
        }
        plan.detour = ByteDetour { [setting, bypass, trust] in
            ProxiedTransport(through: setting, over: $0, except: bypass, trust: trust)
        }
        plan[DirectDials.self] = DirectDials { [bypass] in bypass.contains($0) }
    }
}
