public import P2PCore
import P2PPipeline

/// Has every byte transport behind it in a host's list dial through a proxy, and in no other way.
public struct Proxy: HostModule {
    private let setting: ProxySetting
    private let bypass: ProxyBypass

    /// - Parameters:
    ///   - setting: where the proxy is; read by each dial.
    ///   - bypass: what is dialled around it.
    public init(_ setting: ProxySetting, except bypass: ProxyBypass = .none) {
        self.setting = setting
        self.bypass = bypass
    }

    /// - Parameters:
    ///   - url: where the proxy is.
    ///   - bypass: what is dialled around it.
    public init(_ url: ProxyURL, except bypass: ProxyBypass = .none) {
        self.init(ProxySetting(url), except: bypass)
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
        plan.detour = ByteDetour { [setting, bypass] in ProxiedTransport(through: setting, over: $0, except: bypass) }
    }
}
