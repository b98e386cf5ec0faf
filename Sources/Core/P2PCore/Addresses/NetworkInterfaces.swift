package import NIOCore

/// The interfaces of this machine. To list them is a conversation with the kernel, which fails now and then for reasons of the moment.
package enum NetworkInterfaces {
    /// How often it is tried.
    private static let attempts = 3

    /// Every address of every interface; nil when the system can't list them at the moment, which does not mean that they are gone.
    package static func devices() -> [NIONetworkDevice]? { self.attempting { try? System.enumerateDevices() } }

    /// What the body says, the first time that it says something.
    package static func attempting<Value>(_ body: () -> Value?) -> Value? {
        for _ in 0..<self.attempts {
            if let value = body() { return value }
        }
        return nil
    }
}
