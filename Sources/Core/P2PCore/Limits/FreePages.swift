#if canImport(Glibc)
    import Glibc
#endif

/// Pages that the allocator keeps although nothing lives in them.
package enum FreePages {
    /// Gives them back to the system, where that is not done anyway (glibc's `malloc_trim`, which the module of the C library leaves out). It
    /// takes some milliseconds, so not for an event loop.
    package static func giveBack() {
        #if canImport(Glibc)
            guard let symbol = dlsym(nil, "malloc_trim") else { return }
            typealias Trim = @convention(c) (Int) -> CInt
            _ = unsafeBitCast(symbol, to: Trim.self)(0)
        #endif
    }
}
