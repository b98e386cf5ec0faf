/// What a proxy did not do, or did wrong.
struct ProxyError: Error, Equatable {
    /// Whether the proxy spoke properly and said no.
    let isRefusal: Bool
    let message: String

    static func refused(_ message: String) -> ProxyError { ProxyError(isRefusal: true, message: message) }
    static func broken(_ message: String) -> ProxyError { ProxyError(isRefusal: false, message: message) }
}
