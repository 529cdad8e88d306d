/* One trick, by name: what students' programs do by accident or on purpose. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

static char block[1 << 16];

static void for_ever(void) { for (;;) pause(); }
static void spin(void) { for (volatile long i = 0;; i++) ; }
static void spin_many(void) { for (int i = 0; i < 3; i++) if (fork() == 0) break; spin(); }
static void stop_itself(void) { raise(SIGSTOP); for_ever(); }
static void close_everything(void) { for (int fd = 0; fd < 1024; fd++) close(fd); for_ever(); }
static void crash(void) { memset(block, 1, sizeof block); abort(); }
static void vfork_and_hang(void) { if (vfork() == 0) for_ever(); }
static void *sleeper(void *nothing) { for_ever(); return nothing; }

static void ignore_signals(void)
{
    sigset_t all;
    for (int number = 1; number < 65; number++)
        signal(number, SIG_IGN);
    sigfillset(&all);
    sigprocmask(SIG_SETMASK, &all, NULL);
    for_ever();
}

static void fork_bomb(void)
{
    int count = 0;
    while (fork() >= 0)
        if (++count > 5000)
            break;
    for_ever();
}

static void count_forks(void)
{
    int count = 0;
    for (; count < 5000; count++) {
        pid_t pid = fork();
        if (pid == 0) for_ever();
        if (pid < 0) break;
    }
    printf("%d %s\n", count, strerrorname_np(errno));
}

static void count_threads(void)
{
    int count = 0, error = 0;
    pthread_t thread;
    pthread_attr_t small;
    pthread_attr_init(&small);
    pthread_attr_setstacksize(&small, 1 << 16);
    while (count < 5000 && (error = pthread_create(&thread, &small, sleeper, NULL)) == 0)
        count++;
    printf("%d %s\n", count, strerrorname_np(error));
    fflush(stdout);
    _exit(0);
}

static int listen_on(int port)
{
    struct sockaddr_in here = {.sin_family = AF_INET, .sin_port = htons(port), .sin_addr = {htonl(INADDR_LOOPBACK)}};
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    if (bind(fd, (struct sockaddr *)&here, sizeof here) || listen(fd, 5))
        exit(3);
    return fd;
}

static void daemons(void)
{
    listen_on(7000);
    for (int i = 0; i < 20; i++)
        if (fork() == 0) {
            setsid();
            if (fork() == 0) ignore_signals();
            _exit(0);
        }
}

static void zombies(void)
{
    for (int i = 0; i < 20; i++)
        if (fork() == 0) _exit(0);
    puts("ready");
    fflush(stdout);
    for_ever();
}

static void kill_everybody(void)
{
    kill(1, SIGKILL);
    kill(-1, SIGKILL);
    puts("still here");
}

static void eat(void)
{
    long taken = 0;
    char *piece;
    while ((piece = malloc(1 << 20))) { memset(piece, 1, 1 << 20); taken++; }
    printf("%ld\n", taken);
}

static void eat_together(void)
{
    for (int i = 0; i < 20; i++)
        if (fork() == 0) break;
    for (int i = 0; i < 48; i++) memset(malloc(1 << 20), 1, 1 << 20);
    for_ever();
}

static void fill(const char *folder, int files)
{
    char name[256];
    long taken = 0;
    signal(SIGXFSZ, SIG_IGN);
    for (int i = 0; i < files; i++) {
        snprintf(name, sizeof name, "%s/%d", folder, i);
        int fd = open(name, O_WRONLY | O_CREAT, 0600);
        if (fd < 0) break;
        for (long put; (put = write(fd, block, sizeof block)) > 0;) taken += put;
        close(fd);
    }
    printf("%ld %s\n", taken, strerrorname_np(errno));
}

static void many_files(void)
{
    char name[32];
    for (int i = 0; i < 1000000; i++) {
        snprintf(name, sizeof name, "%d", i);
        close(open(name, O_WRONLY | O_CREAT, 0600));
    }
}

static void flood(void) { for (;;) if (write(1, block, sizeof block) < 0 || write(2, block, sizeof block) < 0) return; }
static void descriptors(void) { int n = 3; while (dup(1) >= 0) n++; printf("%d %s\n", n, strerrorname_np(errno)); }

static void memory_files(void)
{
    int count = 0, fd;
    long taken = 0;
    signal(SIGXFSZ, SIG_IGN);
    while ((fd = memfd_create("x", 0)) >= 0) {
        for (long put; (put = write(fd, block, sizeof block)) > 0;) taken += put;
        count++;
    }
    printf("%ld %s\n", taken, strerrorname_np(errno));
}

static void foreign_calls(void)
{
#ifdef __x86_64__
    long answer;
    __asm__ volatile("int $0x80" : "=a"(answer) : "a"(20L) : "memory"); /* getpid() of the 32-bit table */
    printf("%ld\n", answer);
#else
    raise(SIGSYS);
#endif
}

static void broken_pipe(void)
{
    int ends[2];
    socketpair(AF_UNIX, SOCK_STREAM, 0, ends);
    close(ends[1]);
    write(ends[0], "x", 1);
    puts("it goes on");
}

static void lock_itself_up(void)
{
    mkdir("d", 0700);
    mkdir("d/d", 0700);
    close(open("d/d/f", O_CREAT, 0));
    chmod("d/d", 0);
    chmod("d", 0);
    symlink("/etc/passwd", "link");
    mkfifo("pipe", 0666);
}

int main(int argc, char **argv)
{
    const char *trick = argc > 1 ? argv[1] : "";
#define TRICK(name, call) if (strcmp(trick, name) == 0) { call; return 0; }
    TRICK("sleep", for_ever())
    TRICK("spin", spin())
    TRICK("spin-many", spin_many())
    TRICK("stop", stop_itself())
    TRICK("close-all", close_everything())
    TRICK("crash", crash())
    TRICK("segfault", *(volatile int *)0 = 1)
    TRICK("vfork", vfork_and_hang())
    TRICK("ignore", ignore_signals())
    TRICK("fork-bomb", fork_bomb())
    TRICK("forks", count_forks())
    TRICK("threads", count_threads())
    TRICK("daemons", daemons())
    TRICK("zombies", zombies())
    TRICK("kill-all", kill_everybody())
    TRICK("eat", eat())
    TRICK("eat-together", eat_together())
    TRICK("fill", fill(argv[2], atoi(argv[3])))
    TRICK("many-files", many_files())
    TRICK("flood", flood())
    TRICK("descriptors", descriptors())
    TRICK("memory-files", memory_files())
    TRICK("foreign", foreign_calls())
    TRICK("broken-pipe", broken_pipe())
    TRICK("lock-up", lock_itself_up())
    TRICK("listen", (listen_on(7000), puts("ready"), fflush(stdout), for_ever()))
    return 99;
}
